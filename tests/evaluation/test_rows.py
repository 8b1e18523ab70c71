import pytest

from cort_data.evaluation.rows import averages, split, tabulate
from cort_data.evaluation.settings import EvalSettings

from .builders import score

SETTINGS = EvalSettings(samples=2)


def parts(scores, cutoff=None, known=False):
    return [(row.wordings, row.released, len(row.scores)) for row in split(scores, cutoff, known)]


def lines(*arms):
    """One line for each `(fields, right)`; `right` is a row of flags a problem."""
    rows = []
    for fields, right in arms:
        scores = [score(f"p{i}", s, flag, **fields) for i, flags in enumerate(right) for s, flag in enumerate(flags)]
        rows += split(scores, None, False)
    return tabulate(rows, SETTINGS)


def test_seen_and_unseen_wordings_are_rows_of_their_own():
    scores = [score(p, s, True, hinted=True) for p in "ab" for s in (0, 1)]
    assert parts(scores, known=True) == [("all", "all", 4), ("seen", "all", 2), ("unseen", "all", 2)]


def test_without_hints_or_a_known_corpus_there_is_one_row():
    assert len(parts([score("a", 0, True), score("a", 1, True)], known=True)) == 1
    assert len(parts([score("a", 0, True, hinted=True)], known=False)) == 1


def test_problems_from_before_and_after_the_cutoff_are_rows_of_their_own():
    days = {"a": "2024-01-31", "b": "2024-06-30", "c": "2025-02-06", "d": ""}
    scores = [score(problem, 0, True, released=day) for problem, day in days.items()]
    expected = [("all", "all", 4), ("all", "before", 2), ("all", "after", 1)]  # nobody knows about d
    assert parts(scores, cutoff="2024-06-30") == expected


def test_policies_are_compared_to_the_models_first_one():
    wrong, right = [[False, False]], [[True, True]]
    found = lines(
        ({"model": "a"}, wrong),
        ({"model": "a", "policy": "hints"}, right),
        ({"model": "b"}, right),
        ({"model": "b", "policy": "hints"}, right),
    )
    shown = [line.differences and line.differences["accuracy"].value for line in found]
    assert shown == [None, 1, None, 0]


def test_with_one_policy_models_are_compared_to_the_first_one():
    found = lines(({"model": "a"}, [[False, False]]), ({"model": "b"}, [[True, True]]))
    assert [line.differences and line.differences["accuracy"].value for line in found] == [None, 1]


def test_models_that_do_not_have_the_same_problems_yet_are_compared_on_those_that_both_have():
    found = lines(({}, [[True], [False], [False]]), ({"model": "b", "generated": 30}, [[True], [True]]))
    assert found[1].differences["accuracy"].value == pytest.approx(0.5)
    assert found[1].differences["tokens_per_correct"].value == pytest.approx(60 / 2 - 20 / 1)


def test_a_mean_over_sets_counts_each_set_once():
    found = lines(({"set": "one"}, [[True], [True], [True]]), ({"set": "two"}, [[False]]))
    [mean] = averages(found)
    assert (mean.sets, mean.values["accuracy"].value) == (2, 0.5)
    assert list(averages(found[:1])) == []
