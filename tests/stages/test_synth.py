import asyncio

import pytest

from cort_data.errors import EngineError, RecipeError, RunError, TraceError
from cort_data.recipe import StageName
from cort_data.runs import RunDirectory
from cort_data.stages.synth import plan, synthesize, traces

from .fakes import FakeEngine, recipe, use_fake_engine


def synth(run, recipe):
    return asyncio.run(synthesize(run, recipe))


def lines(run):
    paths = sorted((run.path / "synth").glob("traces-*.jsonl"))
    return [line for path in paths for line in path.read_text().splitlines()]


def test_problems_times_samples_become_traces(tmp_path, run, engine):
    mine = recipe(tmp_path)
    assert synth(run, mine)
    written = list(traces(run, mine))
    assert [(t.problem.id, t.sample) for t in written] == [(f"p{i}", s) for i in range(6) for s in (0, 1)]
    assert {t.stop_reason for t in written} == {"answered"}
    assert {t.calls for t in written if t.problem.id == "p3"} == {1}
    assert "21" in next(t for t in written if t.problem.id == "p3").text


def test_no_more_than_in_flight_at_once(tmp_path, run, engine):
    synth(run, recipe(tmp_path))
    assert engine.most == 3


def test_the_manifest_says_what_wrote_the_traces_and_how_many(tmp_path, run, engine):
    mine = recipe(tmp_path)
    synth(run, mine)
    manifest = run.stage(StageName.SYNTH).manifest()
    assert manifest is not None
    assert manifest["traces"] == 12
    assert manifest["executed_blocks"] == 6
    assert manifest["stop_reasons"] == {"answered": 12}
    assert manifest["failed"] == 0
    assert manifest["interpreter"]["isolation"] == "none"
    assert manifest["interpreter"]["PYTHONHASHSEED"] == "0"
    assert manifest["last_session"]["traces"] == 12
    assert manifest["model_tokens_generated"] == manifest["last_session"]["model_tokens"]


def test_a_complete_stage_is_reused(tmp_path, run, engine):
    mine = recipe(tmp_path)
    synth(run, mine)
    before = lines(run)
    assert not synth(run, mine)
    assert lines(run) == before


@pytest.mark.parametrize("more", ["rollout.samples=3", "problems.synth.n=6"])
def test_more_samples_or_problems_extend_what_is_there(tmp_path, run, engine, more):
    synth(run, recipe(tmp_path, "problems.synth.n=4"))
    before = lines(run)
    mine = recipe(tmp_path, *([] if "n=" in more else ["problems.synth.n=4"]), more)
    assert synth(run, mine)
    assert lines(run)[: len(before)] == before
    assert len(lines(run)) == 12
    manifest = run.stage(StageName.SYNTH).manifest()
    assert manifest is not None
    assert manifest["traces"] == 12


def test_an_extended_run_has_the_traces_of_a_whole_one(tmp_path, run, engine):
    synth(run, recipe(tmp_path, "problems.synth.n=2"))
    synth(run, recipe(tmp_path))
    with RunDirectory(tmp_path / "whole") as whole:
        synth(whole, recipe(tmp_path))
        assert list(traces(run, recipe(tmp_path))) == list(traces(whole, recipe(tmp_path)))


def test_fewer_problems_read_fewer_traces_and_lose_none(tmp_path, run, engine):
    synth(run, recipe(tmp_path))
    fewer = recipe(tmp_path, "problems.synth.n=2")
    synth(run, fewer)
    assert len(list(traces(run, fewer))) == 4
    assert len(lines(run)) == 12
    manifest = run.stage(StageName.SYNTH).manifest()
    assert manifest is not None
    assert manifest["traces"] == 4


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("rollout.calls=9", "rollout.calls 3 → 9"),
        ("sampling.temperature=1.0", "sampling.temperature 0.6 → 1.0"),
        ("seed=4", "seed 0 → 4"),
        ("rollout.prompt=cort", 'rollout.prompt "plain" → "cort"'),
        ("engine.model=other", 'engine.model "fake" → "other"'),
    ],
)
def test_another_setting_is_refused_by_name(tmp_path, run, engine, setting, changed):
    synth(run, recipe(tmp_path))
    with pytest.raises(RunError) as error:
        synth(run, recipe(tmp_path, setting))
    assert changed in str(error.value)
    assert synth(run, recipe(tmp_path, "engine.in_flight=7")) is False


def test_a_problem_that_changed_under_its_id_is_refused(tmp_path, run, engine):
    mine = recipe(tmp_path)
    synth(run, mine)
    file = tmp_path / "synth.jsonl"
    file.write_text(file.read_text().replace("Seven times the number 3.", "Seven times the number 3, please."))
    with pytest.raises(RunError, match="problem 'p3' has changed"):
        synth(run, mine)


def test_a_doubled_id_is_refused(tmp_path, run, engine):
    mine = recipe(tmp_path)
    file = tmp_path / "synth.jsonl"
    file.write_text(file.read_text() + file.read_text().splitlines(keepends=True)[0])
    with pytest.raises(RecipeError, match="'p0' stands twice"):
        synth(run, mine)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b'{"id": "a", "text": "t"}\n', "synth.jsonl:1: not a problem: answer: Field required"),
        (b'{"id": "a", "text": "t", "answer": "1"}\n{"id": "a", "te\n', "synth.jsonl:2: not a problem"),
        (b'{"id": "\xff", "text": "t", "answer": "1"}\n', "synth.jsonl:1: not a problem"),
    ],
)
def test_a_bad_problem_file_is_one_line(tmp_path, run, engine, content, message):
    mine = recipe(tmp_path)
    (tmp_path / "synth.jsonl").write_bytes(content)
    with pytest.raises(TraceError) as error:
        synth(run, mine)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_engine_that_is_gone_stops_the_run_and_is_tried_again(tmp_path, run, monkeypatch):
    mine = recipe(tmp_path, "rollout.samples=6")
    use_fake_engine(monkeypatch, FakeEngine(failing=True))
    with pytest.raises(EngineError, match="16 rollouts in a row failed, the last with: the fake engine was told"):
        synth(run, mine)
    assert run.stage(StageName.SYNTH).manifest() is None
    use_fake_engine(monkeypatch, FakeEngine())
    assert synth(run, mine)
    assert {t.stop_reason for t in traces(run, mine)} == {"answered"}


def test_a_bug_ends_the_run_with_its_own_error(tmp_path, run, monkeypatch):
    engine = use_fake_engine(monkeypatch, FakeEngine())
    monkeypatch.setattr(engine, "_continue", lambda text, seed: 1 / 0)
    with pytest.raises(ExceptionGroup) as error:
        synth(run, recipe(tmp_path))
    assert error.group_contains(ZeroDivisionError)


def test_what_a_plan_holds_is_known_before_it_is_run(tmp_path):
    mine = recipe(tmp_path)
    ids = list(plan(mine).ids())
    assert len(set(ids)) == 12
    assert ids == list(plan(recipe(tmp_path, "rollout.calls=1")).ids())


def test_seeds_alternate_between_samples(tmp_path):
    jobs = [job for _, job in plan(recipe(tmp_path)).jobs()]
    assert [job.seed % 2 for job in jobs] == [0, 1] * 6


def test_an_extended_run_keeps_the_number_type_that_was_measured_first(tmp_path, run, monkeypatch):
    engine = use_fake_engine(monkeypatch, FakeEngine())
    engine.name = "transformers:fake:float32"
    synth(run, recipe(tmp_path))
    synth(run, recipe(tmp_path, "rollout.samples=3"))
    assert [settings.dtype for settings in engine.opened] == ["auto", "float32"]
