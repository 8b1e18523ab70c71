"""The table of a branch search: counts, accuracies and savings by hint."""

import pytest

from cort_data.candidates import CandidateTable
from cort_data.trace import Arm, Arms, Event, Problem, Trace


def candidate(name, outcome, with_hint, without, fresh=None):
    arms = Arms(
        with_hint=Arm(correct=with_hint, tokens=(10,) * len(with_hint)),
        without=Arm(correct=without, tokens=(20,) * len(without)),
        **({"fresh_with_hint": fresh[0], "fresh_without": fresh[1]} if fresh else {}),
    )
    return Event(kind="candidate", name=name, outcome=outcome, arms=arms)


def trace(problem, *events):
    return Trace(id=problem, problem=Problem(id=problem, text="q", answer="1"), prompt="", events=events)


def cost(tokens):
    return Arm(correct=(True,), tokens=(tokens,))


def test_counts_accuracies_and_savings_of_each_hint():
    table = CandidateTable()
    table.add(trace("a", candidate("open", "win", (True, True), (True, False), (cost(10), cost(50)))))
    table.add(trace("b", candidate("open", "loss", (False, False), (True, True)), candidate("end", "tie", (), ())))
    table.add(trace("c", candidate("open", "win", (True,), (True,), (cost(30), cost(50)))))
    end, opened = table.rows()
    assert (end["hint"], end["places"], end["tie"], end["accuracy_with"]) == ("end", 1, 1, None)
    assert (opened["places"], opened["win"], opened["loss"], opened["tie"]) == (3, 2, 1, 0)
    assert opened["accuracy_with"] == pytest.approx(3 / 5)
    assert opened["accuracy_without"] == pytest.approx(4 / 5)
    assert opened["tokens_saved"] == {"value": 30.0, "low": 20.0, "high": 40.0}
    assert end["tokens_saved"] is None


def test_a_place_that_could_not_be_tried_counts_as_one():
    table = CandidateTable()
    table.add(trace("a", Event(kind="candidate", name="open", outcome="tie", reason="cannot fork")))
    [row] = table.rows()
    assert (row["places"], row["accuracy_with"]) == (1, None)


def test_a_trace_without_a_search_gives_no_row():
    table = CandidateTable()
    table.add(trace("a", Event(kind="hint", name="open", outcome="fired")))
    assert table.rows() == []
