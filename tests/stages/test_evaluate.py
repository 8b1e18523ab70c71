import asyncio
import json

import pytest

from cort_data.errors import RecipeError, RunError
from cort_data.grading import Verdict
from cort_data.recipe import StageName
from cort_data.runs import RunDirectory
from cort_data.stages import evaluate
from cort_data.trace import HintMark, Kind, Origin, Problem, Segment, Trace, trace_id

from .fakes import FakeEngine, recipe, use_fake_engine


@pytest.fixture
def engine(monkeypatch):
    return use_fake_engine(monkeypatch, FakeEngine())


@pytest.fixture
def run(tmp_path):
    with RunDirectory(tmp_path / "run") as run:
        yield run


def results(run):
    return json.loads(evaluate.results_file(run).read_text())


def make(problem, sample, *, tokens=10, calls=0, after=4, dropped=0, wording=None, stop="answered"):
    """A trace with `tokens` model tokens, `after` of them after the last of `calls` outputs."""
    mark = wording is not None and HintMark(name="open", trigger="t", wording=wording, span_start=0, span_end=0)
    segments = [
        *([Segment(kind=Kind.TEXT, origin=Origin.HINT, text=f"hint {wording}\n", tokens=2, hint=mark)] if mark else []),
        Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="text\n", tokens=tokens - (after if calls else 0)),
    ]
    for _ in range(calls):
        segments.append(Segment(kind=Kind.CODE, origin=Origin.MODEL, text="```python\n1\n```"))
        segments.append(Segment(kind=Kind.OUTPUT, origin=Origin.INTERPRETER, text="\n```output\n1\n```\n", tokens=5))
    if calls:
        segments.append(Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="so", tokens=after))
    events = [{"kind": "rewind", "tokens": dropped}] if dropped else []
    return Trace(
        id=trace_id(problem, "none", sample, "eval"),
        problem=Problem(id=problem, text="q", answer="1"),
        sample=sample,
        prompt="",
        seed=sample,
        segments=segments,
        events=events,
        stop_reason=stop,
    )


def tally(*rows):
    table = evaluate.Tally(2)
    for problem, trace, verdict in rows:
        table.add(problem, trace, verdict)
    return table


RIGHT, WRONG, UNSCORED = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.UNSCORED


def test_the_measures_by_hand():
    table = tally(
        (0, make("a", 0, tokens=10, calls=1, after=4), RIGHT),
        (0, make("a", 1, tokens=20, calls=0, dropped=30), WRONG),
        (1, make("b", 0, tokens=40, calls=3, after=6), RIGHT),
        (1, make("b", 1, tokens=50, calls=0), UNSCORED),
    )
    row = evaluate.Row("m", "none", "all", table)
    numbers = evaluate._row_json(row, row)
    assert numbers["traces"] == 4
    assert numbers["unscored"] == 1
    assert numbers["accuracy"] == pytest.approx((0.5 + 1) / 2)  # b's unscored sample does not count as wrong
    assert numbers["code_use_rate"] == 0.5
    assert numbers["tokens_kept"] == pytest.approx(30)
    assert numbers["tokens_generated"] == pytest.approx((30 + 45) / 2)
    assert numbers["calls"] == pytest.approx(1)
    assert numbers["tokens_after_last_output"] == pytest.approx(5)
    assert numbers["tokens_per_correct"] == pytest.approx((10 + 50 + 40 + 50) / 2)
    assert numbers["difference"] is None


def test_a_problem_that_one_side_cannot_score_is_out_of_the_accuracy_pair():
    first = evaluate.Row("m", "none", "all", tally((0, make("a", 0), RIGHT), (1, make("b", 0), WRONG)))
    second = evaluate.Row("m", "h", "all", tally((0, make("a", 0), RIGHT), (1, make("b", 0, tokens=8), UNSCORED)))
    difference = evaluate._row_json(second, first)["difference"]
    assert difference["accuracy"]["value"] == 0
    assert difference["tokens_kept"]["value"] == pytest.approx(-1)


def test_no_correct_answer_has_no_tokens_per_correct():
    row = evaluate.Row("m", "none", "all", tally((0, make("a", 0), WRONG), (1, make("b", 0), WRONG)))
    assert evaluate._row_json(row, row)["tokens_per_correct"] is None


def rows(traces, seen):
    return evaluate._policy_rows(iter(traces), evaluate.Row("m", "h", "all", evaluate.Tally(2)), seen)


def test_seen_and_unseen_wordings_are_rows_of_their_own():
    traces = [(make(p, s, wording=s), RIGHT) for p in "ab" for s in (0, 1)]
    table = rows(traces, {"open": frozenset({"hint 0"})})
    assert [(row.wordings, row.tally["traces"].sum()) for row in table] == [("all", 4), ("seen", 2), ("unseen", 2)]


def test_without_hints_or_a_known_corpus_there_is_one_row():
    assert len(rows([(make("a", 0), RIGHT), (make("a", 1), RIGHT)], {"open": frozenset({"hint 0"})})) == 1
    assert len(rows([(make("a", 0, wording=0), RIGHT), (make("a", 1, wording=1), RIGHT)], None)) == 1


@pytest.mark.parametrize(("sample", "wording"), [(0, 1), (1, 0)])
def test_a_wording_of_the_wrong_kind_is_refused(sample, wording):
    with pytest.raises(RecipeError, match="have come apart"):
        rows([(make("a", sample, wording=wording), RIGHT)], {"open": frozenset({"hint 0"})})


def test_every_policy_sees_the_same_problems(tmp_path, run, engine):
    mine = recipe(tmp_path, "eval.policies=[none, prompt_hint]", stages=["eval"])
    assert asyncio.run(evaluate.evaluate(run, mine))
    table = results(run)
    assert [(row["policy"], row["traces"]) for row in table["rows"]] == [("none", 12), ("prompt_hint", 12)]
    assert table["problems"] == 6
    assert 0 < table["rows"][0]["accuracy"] < 1
    assert table["rows"][0]["difference"] is None
    assert set(table["rows"][1]["difference"]) == set(evaluate.MEASURES)
    manifest = evaluate.folder(run, "fake", "none").manifest()
    assert manifest is not None
    assert manifest["traces"] == 12


def test_more_policies_and_samples_extend_the_comparison(tmp_path, run, engine):
    asyncio.run(evaluate.evaluate(run, recipe(tmp_path, stages=["eval"])))
    shard = evaluate.folder(run, "fake", "none").path / "traces-00000.jsonl"
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
