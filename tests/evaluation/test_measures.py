import pytest

from cort_data.evaluation.measures import measure

from .builders import score


def values(measured):
    return {name: interval and interval.value for name, interval in measured.intervals().items()}


def test_the_measures_by_hand():
    scores = [
        score("a", 0, True, calls=1, after=4, interpreter_tokens=6),
        score("a", 1, False, model_tokens=20, generated=50),
        score("b", 0, True, model_tokens=40, generated=40, calls=3, after=6, hint_tokens=3),
        score("b", 1, None, model_tokens=50, generated=50),
    ]
    found = values(measure(scores, ["a", "b"], [1, 2]))
    assert found["accuracy"] == pytest.approx((0.5 + 1) / 2)  # b's unscored sample does not count as wrong
    assert found["code_use_rate"] == 0.5
    assert found["tokens_kept"] == pytest.approx(30)
    assert found["tokens_generated"] == pytest.approx((30 + 45) / 2)
    assert found["tokens_interpreter"] == pytest.approx(1.5)
    assert found["tokens_hint"] == pytest.approx(0.75)
    assert found["calls"] == pytest.approx(1)
    assert found["tokens_after_last_output"] == pytest.approx(5)
    assert found["tokens_per_correct"] == pytest.approx((10 + 50 + 40 + 50) / 2)
    assert found["tokens_kept_correct"] == pytest.approx(25)
    assert found["tokens_generated_incorrect"] == pytest.approx(50)
    assert found["tokens_interpreter_correct"] == pytest.approx(3)
    assert found["pass@1"] == pytest.approx(0.75)
    assert found["pass@2"] == pytest.approx(1)  # of a alone: b has one scored sample
    assert found["maj@2"] == pytest.approx(0.5)


def test_every_value_has_an_interval_around_it():
    scores = [score(f"p{i}", s, (i + s) % 3 > 0, calls=s, after=s, hint_tokens=i) for i in range(12) for s in range(4)]
    for name, interval in measure(scores, [f"p{i}" for i in range(12)], [1, 2, 4]).intervals().items():
        assert interval is not None, name
        assert interval.low <= interval.value + 1e-9, name
        assert interval.value <= interval.high + 1e-9, name


def test_a_problem_that_one_side_cannot_score_is_out_of_the_accuracy_pair():
    first = measure([score("a", 0, True), score("b", 0, False)], ["a", "b"], [1])
    second = measure([score("a", 0, True), score("b", 0, None, model_tokens=8)], ["a", "b"], [1])
    difference = second.minus(first)
    assert difference["accuracy"].value == 0
    assert difference["tokens_kept"].value == pytest.approx(-1)


def test_no_correct_answer_has_no_tokens_per_correct():
    found = values(measure([score("a", 0, False), score("b", 0, False)], ["a", "b"], [1]))
    assert found["tokens_per_correct"] is None
    assert found["tokens_kept_correct"] is None
    assert found["accuracy"] == 0


def test_the_majority_needs_classes_and_not_verdicts():
    votes = [(True, 0), (True, 0), (False, 1), (False, 2), (False, 3)]
    found = values(measure([score("a", i, right, group=g) for i, (right, g) in enumerate(votes)], ["a"], [5]))
    assert found["maj@5"] == 1
    votes = [(True, 0), (True, 0), (False, 1), (False, 1), (False, 1)]
    found = values(measure([score("a", i, right, group=g) for i, (right, g) in enumerate(votes)], ["a"], [5]))
    assert found["maj@5"] == 0
