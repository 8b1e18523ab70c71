"""Control policies: the placed hints lose their place or their words, the others stay."""

from itertools import islice

import pytest

from cort_data.hints.policy import load_policy
from cort_data.hints.scan import detect
from cort_data.hints.template import Place
from cort_data.hints.triggers import RandomPlace
from cort_data.hints.view import View
from cort_data.trace import Kind, Origin, Problem

PROBLEM = Problem(id="p", text="What is 3 + 4?", answer="7")
TEXT = "We look at the numbers. " * 200


def by_name(policy):
    return {hint.name: hint for hint in load_policy(policy).hints}


@pytest.mark.parametrize("policy", ["random", "sham", "conjunction"])
def test_the_hints_that_are_not_placed_by_measurement_stay(policy):
    shipped, control = by_name("hint_engineering"), by_name(policy)
    assert control["open"] == shipped["open"]
    assert control.get("code_error") in (None, shipped["code_error"])


def test_random_keeps_the_words_and_changes_the_places():
    shipped, control = by_name("hint_engineering"), by_name("random")
    for name in ("delayed_computation", "result_distrust"):
        assert control[name].wordings == shipped[name].wordings
        assert control[name].trigger != shipped[name].trigger
        assert control[name].place is Place.HERE


def test_sham_keeps_the_places_and_says_nothing():
    shipped, control = by_name("hint_engineering"), by_name("sham")
    for name in ("delayed_computation", "result_distrust"):
        sham = control[f"sham_{name}"]
        assert (sham.trigger, sham.place) == (shipped[name].trigger, shipped[name].place)
        assert not sham.opens_code
        assert not {w.source for w in sham.wordings} & {w.source for w in shipped[name].wordings}


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("Wait, that is odd. ", True),
        ("Alternatively, count pairs. ", True),
        ("We wait for him. ", False),
        ("I can wait. Waiting is fine. ", False),
    ],
)
def test_conjunction_fires_at_the_start_of_a_sentence(text, fires):
    policy = load_policy("conjunction").start(PROBLEM, 0)
    view = View()
    policy.observe(view)  # the opening hint
    view.append(Kind.TEXT, Origin.MODEL, text)
    assert (policy.observe(view) is not None) is fires


def places(seed, chars=200.0, text=TEXT):
    view = View(seed=seed)
    detector = RandomPlace(chars=chars).detector()
    view.append(Kind.TEXT, Origin.MODEL, text)
    return [clause.end for clause in view.clauses if detector.read(view, clause)]


def test_random_places_follow_from_the_seed_and_are_about_as_many_as_asked():
    assert places(1) == places(1)
    assert places(1) != places(2)
    counts = [len(places(seed)) for seed in range(40)]
    assert sum(counts) / 40 == pytest.approx(len(TEXT) / 200, rel=0.15)


def test_more_text_changes_no_earlier_place():
    assert places(3, text=TEXT + TEXT)[: len(places(3))] == places(3)


def test_after_an_output_alone():
    from cort_data.trace import segments_of

    text = TEXT + "```python\n1\n```\n```output\n1\n```\n" + TEXT
    spans = list(islice(detect(segments_of(text)[0], RandomPlace(chars=100, after_output=True)), 1000))
    assert spans
    assert all(span.start >= text.index("```output") for span in spans)
