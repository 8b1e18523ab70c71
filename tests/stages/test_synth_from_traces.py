"""Synthesis that starts from given traces: planned, resumed and extended as any other, and refused by name."""

import asyncio

import pytest
from builders import make_trace
from hint_samples import BY_HAND

from cort_data.errors import RecipeError, RunError
from cort_data.profiles import load_profile
from cort_data.recipe import StageName, parse_recipe
from cort_data.runs import RunDirectory
from cort_data.stages.synth import _pair, plan, synthesize, traces

from .fakes import FakeInterpreter, recipe

GIVEN = f"First I look.\n{BY_HAND}So it is.\n</think>\n\\boxed{{5}}"
FROM = ("synth.from=traces", "rollout.policy=hint_engineering", "engine.profile=nano")


def write(path, *givens, profile="nano"):
    """Given traces about the problems of the fake engine, one a text."""
    lines = []
    for number, text in enumerate(givens):
        made = make_trace(text, id=f"g{number}", problem=f"Seven times the number {2 * (number % 2)}.", profile=profile)
        problem = made.problem.model_copy(update={"id": f"p{number % 2}"})
        lines.append(made.model_copy(update={"problem": problem}).to_json() + "\n")
    path.write_text("".join(lines))
    return f"problems.synth={path}"


def synth(run, mine):
    return asyncio.run(synthesize(run, mine))


def test_each_given_trace_goes_on_in_each_sample(tmp_path, run, engine):
    mine = recipe(tmp_path, *FROM, write(tmp_path / "g.jsonl", GIVEN, GIVEN, GIVEN, "Easy."))
    assert synth(run, mine)
    written = list(traces(run, mine))
    assert len({t.id for t in written}) == 8
    assert [t.stop_reason for t in written] == ["answered"] * 6 + ["no_span"] * 2
    assert all(t.text.startswith("First I look.\nWe need 347") for t in written[:6])
    assert [[e.name for e in t.events if e.kind == "imported"] for t in written[::2]] == [["g0"], ["g1"], ["g2"], []]
    assert synth(run, mine) is False


def test_samples_extend_what_is_there(tmp_path, run, engine):
    source = write(tmp_path / "g.jsonl", GIVEN, GIVEN, GIVEN)
    synth(run, recipe(tmp_path, *FROM, source, "rollout.samples=1"))
    first = {t.id: t for t in traces(run, recipe(tmp_path, *FROM, source, "rollout.samples=1"))}
    synth(run, recipe(tmp_path, *FROM, source))
    assert {t.id: t for t in traces(run, recipe(tmp_path, *FROM, source)) if t.id in first} == first


def test_pairs_are_one_number_each():
    assert len({_pair(number, i) for number in range(30) for i in range(30)}) == 900


def test_other_given_traces_are_refused(tmp_path, run, engine):
    source = write(tmp_path / "g.jsonl", GIVEN)
    synth(run, recipe(tmp_path, *FROM, source))
    write(tmp_path / "g.jsonl", GIVEN, GIVEN)
    with pytest.raises(RunError, match="traces"):
        synth(run, recipe(tmp_path, *FROM, source))


def test_traces_of_another_family_are_refused_with_the_line_to_type(tmp_path, engine):
    mine = recipe(tmp_path, *FROM, write(tmp_path / "g.jsonl", GIVEN, profile="plain"))
    with pytest.raises(RecipeError, match=r"the profile plain, and engine.profile is nano; .*--profile nano --out NEW"):
        list(plan(mine).jobs())


@pytest.mark.parametrize("policy", ["none", "prompt_hint"])
def test_a_policy_that_never_interrupts_is_refused(tmp_path, engine, policy):
    mine = recipe(tmp_path, *FROM, write(tmp_path / "g.jsonl", GIVEN), f"rollout.policy={policy}")
    with pytest.raises(RecipeError, match=f"{policy} has no hint that goes into a thought"):
        plan(mine)


def test_a_missing_file_says_how_to_make_it(tmp_path, engine):
    with pytest.raises(
        RecipeError, match=r"no such file of traces; make one with: cort traces import SOURCE --out no\.jsonl"
    ):
        list(plan(recipe(tmp_path, *FROM, "problems.synth=no.jsonl")).jobs())


def test_nano_has_no_traces(tmp_path):
    with pytest.raises(RecipeError, match=r"synth.from: traces needs a file of traces"):
        recipe(tmp_path, "synth.from=traces", "problems.synth={source: nano, n: 3}")


def test_the_recipe_is_written_as_it_is_read(tmp_path):
    mine = recipe(tmp_path, *FROM, "problems.synth=g.jsonl")
    assert "synth:\n  from: traces\n" in mine.to_yaml()
    assert parse_recipe(mine.to_yaml(), "r.yaml", []) == mine


def test_the_nano_teacher_goes_on_with_a_text_of_ours(tmp_path, monkeypatch):
    """A real engine in the real loop. What the teacher makes of words that it has never seen is not the point."""
    monkeypatch.setattr("cort_data.stages.workshop.open_interpreter", lambda *settings: FakeInterpreter())
    given = f"First I look at both numbers. {BY_HAND}So it is.\n</think>\n\\boxed{{29842}}"
    source = write(tmp_path / "g.jsonl", given)
    settings = ("engine.model=nano-teacher", "rollout.tokens=60", "rollout.samples=1", "engine.dtype=float32")
    mine = recipe(tmp_path, *FROM, source, *settings)
    with RunDirectory(tmp_path / "run") as run:
        synth(run, mine)
        (trace,) = traces(run, mine)
    cut = given.index("Let me compute")
    hint = next(i for i, s in enumerate(trace.segments) if s.hint is not None)
    assert "".join(s.text for s in trace.segments[:hint]) == given[:cut]
    assert trace.segments[hint].hint.name == "delayed_computation"
    assert trace.error is None
    assert 0 < trace.generated_tokens <= 60
    assert trace.prompt == load_profile("nano").render(trace.problem.text)
    assert run.stage(StageName.SYNTH).manifest()["traces"] == 1
