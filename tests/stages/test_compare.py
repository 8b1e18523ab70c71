import asyncio

import pytest

from cort_data.errors import HintError
from cort_data.grading import Grade, Verdict
from cort_data.hints.policy import load_policy
from cort_data.stages.compare import compare, problems_of
from cort_data.trace import Origin

from .fakes import recipe


def test_policies_that_differ_part_and_each_goes_its_own_way(tmp_path, engine):
    mine = recipe(tmp_path, stages=["eval"])
    found = asyncio.run(compare(mine, "none", "prompt_hint", problems_of(mine, None), 2))
    assert (found.problems, found.traces, found.parted) == (6, 12, 12)
    assert found.measures[0] == "accuracy"
    assert 0 < found.values[0][0] < 1
    assert engine.running == 0


def test_equal_policies_never_part_and_differ_by_nothing(tmp_path, engine):
    mine = recipe(tmp_path, stages=["eval"])
    found = asyncio.run(compare(mine, "prompt_hint", "prompt_hint", problems_of(mine, 4), 1))
    assert (found.problems, found.parted) == (4, 0)
    assert found.values[0] == found.values[1]
    assert [(d.value, d.low, d.high) for d in found.differences] == [(0, 0, 0)] * 4


def test_both_sides_share_the_prefix_and_only_one_has_the_hint(tmp_path, engine):
    from cort_data.jobs import Job
    from cort_data.stages.compare import _Parting
    from cort_data.stages.workshop import open_workshop

    mine = recipe(tmp_path, stages=["eval"])

    async def pair():
        async with open_workshop(mine, "fake") as workshop:
            parting = _Parting.of(workshop, "none", "prompt_hint")
            return await parting.run(Job(problems_of(mine, 2)[1], 0, "compare", 4))

    found = asyncio.run(pair())
    assert found.parted
    assert not [s for s in found.first.segments if s.origin is Origin.HINT]
    assert [s.hint.name for s in found.second.segments if s.hint] == ["open"]
    assert found.first.prompt == found.second.prompt
    assert [e.outcome for e in found.first.events] == ["declined"]
    assert load_policy("prompt_hint").hints[0].name == "open"


@pytest.mark.parametrize("policy", ["branch", "shortest_of_n"])
def test_a_search_is_refused(tmp_path, engine, policy):
    mine = recipe(tmp_path, stages=["eval"])
    with pytest.raises(HintError, match="teacher_tokens"):
        asyncio.run(compare(mine, "none", policy, problems_of(mine, 1), 1))


def test_answers_that_cannot_be_judged_are_in_no_accuracy(tmp_path, engine, monkeypatch):
    doubt = Grade(Verdict.UNSCORED, "the rules disagree")
    monkeypatch.setattr("cort_data.grading.grader.settle", lambda first, opinions: doubt)
    monkeypatch.setattr("cort_data.grading.grader._plain", lambda gold, answer: None)
    mine = recipe(tmp_path, stages=["eval"])
    found = asyncio.run(compare(mine, "none", "prompt_hint", problems_of(mine, 2), 1))
    values = dict(zip(found.measures, found.values[0], strict=True))
    assert values["accuracy"] is None
    assert found.differences[0] is None
    assert values["tokens_generated"] > 0
