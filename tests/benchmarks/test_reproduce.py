"""The miniature's tables from hand-made scores and traces, and steps that go on where they were stopped."""

import json
from pathlib import Path

import pytest

from cort_data.behaviour import observe
from cort_data.hints.library import load_library
from cort_data.trace import HintMark, Kind, Origin, Segment
from tests.builders import block, completion, make_trace
from tests.evaluation.builders import score

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def training(rates, samples=4, **fields):
    """Scores of one model; `rates` are problem → right samples."""
    return [score(name, i, i < right, **fields) for name, right in rates.items() for i in range(samples)]


def test_a_row_stands_for_all_its_trainings_and_pairs_with_the_base():
    from reproduce_tables import Group, rows

    names = [f"nano-sum-{i}" for i in range(20)]
    base = Group("base", [training(dict.fromkeys(names, 1), generated=20)])
    trained = Group("SFT", [training(dict.fromkeys(names, n), generated=10) for n in (2, 4)])
    first, second = rows([base, trained], base)
    assert first["accuracy"]["value"] == 0.25
    assert "difference" not in first
    assert second["accuracy"]["value"] == 0.75
    assert (second["trainings"], second["lowest"], second["highest"]) == (2, 0.5, 1.0)
    assert second["difference"]["accuracy"]["value"] == 0.5
    assert second["difference"]["accuracy"]["beyond_interval"]
    assert second["difference"]["tokens_generated"]["value"] == -10
    assert second["difference"]["tokens_per_correct"]["value"] == pytest.approx(10 / 0.75 - 20 / 0.25)


def test_pass_at_k_and_families():
    from reproduce_tables import Group, family_rows, pass_rows

    base = Group("base", [training({"nano-sum-1": 1, "nano-sum-2": 0, "nano-gcd-1": 4})])
    better = Group("SFT", [training({"nano-sum-1": 4, "nano-sum-2": 2, "nano-gcd-1": 4})])
    found = pass_rows([base, better], (1, 2), base)
    assert found[0]["pass@2"]["value"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert found[1]["pass@2"]["value"] == pytest.approx((1 + 5 / 6 + 1) / 3)
    assert found[1]["difference"]["pass@1"]["value"] == pytest.approx((3 / 4 + 2 / 4) / 3)
    gcd, sums = family_rows([better], base)
    assert (gcd["family"], gcd["problems"], gcd["difference"]["SFT"]["value"]) == ("gcd", 1, 0)
    assert (sums["family"], sums["problems"], sums["base"]["value"]) == ("sum", 2, 0.125)
    assert sums["difference"]["SFT"]["value"] == 0.625


def test_a_hint_is_echoed_if_the_model_wrote_it_itself():
    from reproduce_tables import by_problem, echoes, share_row, wordings_of

    library = load_library()
    wordings = wordings_of(library.values())
    assert not any("```" in wording for wording in wordings)
    words = library["open"].wordings[0].render({})
    mark = HintMark(name="open", trigger="think_open", wording=0, span_start=0, span_end=0)
    given = Segment(kind=Kind.TEXT, origin=Origin.HINT, text=words, hint=mark)
    own = Segment(kind=Kind.TEXT, origin=Origin.MODEL, text=f"First.\n{words.upper().replace(' ', chr(10))}")
    plain = make_trace(completion("By hand it is 29842.\n"))
    assert not echoes(plain, wordings)
    assert not echoes(plain.model_copy(update={"segments": (given, *plain.segments)}), wordings)
    assert echoes(plain.model_copy(update={"segments": (own, *plain.segments)}), wordings)
    mine, other = (by_problem((str(i % 10), i < n) for i in range(20)) for n in (10, 0))
    row = share_row("hint_echo", mine, other)
    assert row["hint_echo"]["value"] == row["difference"]["hint_echo"]["value"] == 0.5


def test_traces_are_told_apart_by_what_became_of_their_code():
    from reproduce_tables import FAILURES, GROUNDS, Case, case_rows, misled_row

    failed = block("1 / 0", "Traceback (most recent call last):\nZeroDivisionError: division by zero")
    right, wrong = block("print(29842)", "29842"), block("print(7)", "7")
    texts = {
        "no code": completion("By hand.\n"),
        "worked": completion(right),
        "misled": completion(wrong, answer="7"),
        "recovered": completion(failed, right),
        "given up": completion(right, failed),
    }
    cases = [
        Case(score(name, 0, name != "misled"), observe(make_trace(text), "</think>")) for name, text in texts.items()
    ]
    for case in cases:
        assert sum(holds(case.seen) for holds in FAILURES.values()) == 1
    shares = {
        row["traces in which"]: (row["share"], row["accuracy"]["value"]) for row in case_rows("m", cases, FAILURES)
    }
    assert list(shares.values()) == [(0.2, 1), (0.4, 0.5), (0.2, 1), (0.2, 1)]
    printed = case_rows("m", cases, GROUNDS)
    assert [(row["share"], row["accuracy"]["value"]) for row in printed] == [(0.8, 0.75)]
    assert misled_row("m", cases) == {
        "row": "m",
        "wrong, with working code": 1,
        "printed by it": 1,
        "share": 1,
    }


def test_as_many_easy_problems_as_hard_ones():
    from reproduce_plan import easy_and_hard, rates

    shares = rates(training({"a": 4, "b": 4, "c": 0, "d": 2}))
    assert shares == {"a": 1, "b": 1, "c": 0, "d": 0.5}
    lines = [json.dumps({"problem": {"id": name}}) for name in shares]
    assert easy_and_hard(lines, shares) == {"easy": lines[:1], "hard": lines[2:3]}


def test_every_step_of_the_plan_waits_for_steps_that_are_there(tmp_path):
    from reproduce_plan import Plan

    steps = Plan(tmp_path, 2, 4, 300).steps()
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    assert {name for step in steps for name in step.after} <= set(names)
    evaluated = {name for name in names if name.startswith("eval-")}
    assert {"eval-base", "eval-seeds-2", "eval-rft-2", "eval-null-he-1", "eval-drop-1", "eval-hard-1"} <= evaluated


def test_steps_are_done_once_and_in_order(tmp_path):
    from reproduce_steps import Step, Steps, minutes_worked

    order = []
    first = Step("one", work=lambda: order.append(1))
    second = Step("two", after=("one",), work=lambda: order.append(2))
    Steps([second, first], tmp_path, 2).run()
    Steps([second, first], tmp_path, 2).run()
    assert order == [1, 2]
    Steps([Step("three", cort=("--help",))], tmp_path, 2).run()
    minutes, cpu = minutes_worked(tmp_path)
    assert 0 < minutes < 1
    assert 0 < cpu < 1
    with pytest.raises(SystemExit, match="another command"):
        Steps([Step("one", cort=("doctor",))], tmp_path, 2).run()


def test_a_step_that_fails_is_named_with_its_last_words(tmp_path):
    from reproduce_steps import Step, Steps

    with pytest.raises(SystemExit, match=r"(?s)bad failed; .*bad.log ends with.*no-such"):
        Steps([Step("bad", cort=("run", "no-such-recipe"))], tmp_path, 1).run()


def test_time_beside_each_other_counts_once():
    from reproduce_steps import covered

    assert covered([(0, 10), (5, 12), (20, 21), (6, 7)]) == 13
    assert covered([]) == 0
