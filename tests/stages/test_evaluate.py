import asyncio
import json

import pytest

from cort_data.errors import RecipeError, RunError
from cort_data.evaluation.measures import MEASURES
from cort_data.evaluation.scores import read_scores
from cort_data.grading import Grade, Verdict
from cort_data.recipe import StageName
from cort_data.stages import evaluate
from cort_data.trace import Kind, Origin, Trace

from .fakes import recipe, write_problems


def results(run):
    return json.loads(evaluate.results_file(run).read_text())


def test_every_policy_sees_the_same_problems(tmp_path, run, engine):
    mine = recipe(tmp_path, "eval.policies=[none, prompt_hint]", stages=["eval"])
    assert asyncio.run(evaluate.evaluate(run, mine))
    table = results(run)
    assert [(row["policy"], row["traces"]) for row in table["rows"]] == [("none", 12), ("prompt_hint", 12)]
    assert table["problems"] == 6
    assert 0 < table["rows"][0]["accuracy"] < 1
    assert table["rows"][0]["difference"] is None
    assert set(table["rows"][1]["difference"]) == {*MEASURES, "pass@1", "pass@2", "maj@1", "maj@2"}
    manifest = evaluate.arms(run, mine)[0].folder.manifest()
    assert manifest is not None
    assert manifest["traces"] == 12


def test_more_policies_and_samples_extend_the_comparison(tmp_path, run, engine):
    first = recipe(tmp_path, stages=["eval"])
    asyncio.run(evaluate.evaluate(run, first))
    shard = evaluate.arms(run, first)[0].folder.path / "traces-00000.jsonl"
    before = shard.read_bytes()
    more = recipe(tmp_path, "eval.policies=[none, prompt_hint]", "eval.samples=3", stages=["eval"])
    asyncio.run(evaluate.evaluate(run, more))
    assert [row["traces"] for row in results(run)["rows"]] == [18, 18]
    assert shard.read_bytes().startswith(before)
    assert not asyncio.run(evaluate.evaluate(run, more))


def test_several_models_are_compared_each_to_its_own_first_row(tmp_path, run, engine):
    mine = recipe(tmp_path, "eval.models=[one, models/two]", stages=["eval"])
    asyncio.run(evaluate.evaluate(run, mine))
    assert [row["model"] for row in results(run)["rows"]] == ["one", "models/two"]
    assert (run.path / StageName.EVAL / "models-two" / "none" / "manifest.json").is_file()


def test_another_setting_is_refused(tmp_path, run, engine):
    asyncio.run(evaluate.evaluate(run, recipe(tmp_path, stages=["eval"])))
    with pytest.raises(RunError, match=r"rollout\.calls 3 → 9"):
        asyncio.run(evaluate.evaluate(run, recipe(tmp_path, "rollout.calls=9", stages=["eval"])))


def test_at_equal_cost_a_sample_is_the_shortest_right_trace_that_the_tokens_hold(tmp_path, run, engine):
    mine = recipe(tmp_path, "eval.teacher_tokens=40", stages=["eval"])
    assert asyncio.run(evaluate.evaluate(run, mine))
    [row] = results(run)["rows"]
    assert row["traces"] == 12
    assert row["tokens_generated"] > 2 * row["tokens_kept"]
    assert row["tokens_generated"] <= 40
    assert row["accuracy"] == 1.0  # one in five seeds is wrong: several traces make up for it
    assert results(run)["teacher_tokens"] == 40


def test_a_search_needs_an_interpreter_that_forks(tmp_path, run, engine, monkeypatch):
    from .fakes import FakeInterpreter

    monkeypatch.setattr(FakeInterpreter, "forks", False, raising=False)
    mine = recipe(tmp_path, "eval.policies=[branch]", stages=["eval"])
    with pytest.raises(RecipeError, match="forks python sessions"):
        asyncio.run(evaluate.evaluate(run, mine))


def test_problem_sets_are_rows_and_a_set_may_have_samples_and_a_temperature_of_its_own(tmp_path, run, engine):
    one, two = write_problems(tmp_path / "one.jsonl", 3), write_problems(tmp_path / "two.jsonl", 2)
    sets = f"eval.sets=[{one}, {{name: two, source: {two}, samples: 1, temperature: 0}}]"
    mine = recipe(tmp_path, sets, stages=["eval"])
    assert asyncio.run(evaluate.evaluate(run, mine))
    table = results(run)
    rows = [(row["set"], row["policy"], row["traces"]) for row in table["rows"]]
    assert rows == [("one", "none", 6), ("two", "none", 2)]
    assert "pass@2" in table["rows"][0]
    assert "pass@2" not in table["rows"][1]
    [average] = table["averages"]
    assert average["sets"] == 2
    assert average["accuracy"]["value"] == pytest.approx(sum(row["accuracy"] for row in table["rows"]) / 2)
    seen = {(score.set, score.sample, score.problem) for score in read_scores(run.path)}
    assert len(seen) == 8
    assert ("two", 0, "two-p1") in seen
    temperatures = {
        json.loads(shard.read_text().splitlines()[0])["sampling"]["temperature"] for shard in run.path.rglob("traces-*")
    }
    assert temperatures == {0.6, 0.0}
    assert not asyncio.run(evaluate.evaluate(run, mine))


def test_without_code_no_block_is_run(tmp_path, run, engine):
    mine = recipe(tmp_path, "eval.policies=[text, none]", "rollout.prompt=cort", stages=["eval"])
    asyncio.run(evaluate.evaluate(run, mine))
    text, code = results(run)["rows"]
    assert (text["policy"], text["calls"], text["code_use_rate"]) == ("text", 0, 0)
    assert code["calls"] > 0
    shard = evaluate.arms(run, mine)[0].folder.path / "traces-00000.jsonl"
    assert "python" not in json.loads(shard.read_text().splitlines()[0])["prompt"]


def test_what_follows_a_block_that_is_not_run_leaves_its_fence_alone(tmp_path, run, engine):
    engine._continue = lambda text, seed: ["``` and on"] if "```" in text else ["```python\n", "1\n", "```"]
    mine = recipe(tmp_path, "eval.policies=[text]", stages=["eval"])
    asyncio.run(evaluate.evaluate(run, mine))
    shard = evaluate.arms(run, mine)[0].folder.path / "traces-00000.jsonl"
    trace = Trace.from_json(shard.read_text().splitlines()[0])
    assert trace.text == "```python\n1\n```\n``` and on"
    written = [(segment.kind, segment.origin) for segment in trace.segments]
    assert written == [(Kind.CODE, Origin.MODEL), (Kind.CODE, Origin.SYSTEM), (Kind.TEXT, Origin.MODEL)]
    assert trace.generated_tokens == 4  # the fence that the system wrote anew was the model's too


def test_answers_that_cannot_be_judged_are_listed(tmp_path, run, engine, monkeypatch):
    doubt = Grade(Verdict.UNSCORED, "the rules disagree")
    monkeypatch.setattr("cort_data.grading.grader.settle", lambda first, opinions: doubt)
    monkeypatch.setattr("cort_data.grading.grader._plain", lambda gold, answer: None)
    asyncio.run(evaluate.evaluate(run, recipe(tmp_path, stages=["eval"])))
    listed = [json.loads(line) for line in (run.path / "eval" / "unscored.jsonl").read_text().splitlines()]
    assert len(listed) == results(run)["rows"][0]["unscored"] == 12
    assert set(listed[0]) == {"model", "set", "policy", "id", "problem", "gold", "answer", "reason"}
    assert results(run)["rows"][0]["accuracy"] is None


def test_a_model_that_writes_nothing_is_wrong_and_breaks_nothing(tmp_path, run, engine):
    engine._continue = lambda text, seed: [""]
    asyncio.run(evaluate.evaluate(run, recipe(tmp_path, stages=["eval"])))
    [row] = results(run)["rows"]
    assert (row["accuracy"], row["pass@2"], row["maj@2"], row["tokens_per_correct"]) == (0, 0, 0, None)
    assert row["stop_reasons"] == {"no_answer": 12}
    assert row["intervals"]["accuracy"][1] > 0  # six problems say little


def test_a_model_that_is_not_trained_yet_is_refused_before_any_work(tmp_path, run, engine):
    with pytest.raises(RunError, match="the stage sft is not complete"):
        asyncio.run(evaluate.evaluate(run, recipe(tmp_path, "eval.models=[fake, sft]", stages=["eval"])))
    assert not list(run.path.rglob("traces-*"))


def test_the_cutoff_of_a_model_that_is_not_evaluated_is_refused(tmp_path, run):
    mine = recipe(tmp_path, "eval.cutoffs={fkae: '2024-06-30'}", stages=["eval"])
    with pytest.raises(RecipeError, match="fkae is not evaluated; the models are fake"):
        evaluate.check(run, mine)


def test_results_are_there_only_while_nothing_is_to_be_written(tmp_path, run, engine, monkeypatch):
    async def killed(*arguments):
        raise RunError("killed")

    asyncio.run(evaluate.evaluate(run, recipe(tmp_path, stages=["eval"])))
    assert read_scores(run.path)
    monkeypatch.setattr("cort_data.stages.evaluate.write_traces", killed)
    with pytest.raises(RunError, match="killed"):
        asyncio.run(evaluate.evaluate(run, recipe(tmp_path, "eval.samples=3", stages=["eval"])))
    with pytest.raises(RunError, match="no graded evaluation"):
        read_scores(run.path)
    assert not evaluate.results_file(run).exists()
