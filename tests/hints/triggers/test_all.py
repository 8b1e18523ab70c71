"""What holds for every trigger: clauses without its stems do not matter, and a fork goes its own way."""

import copy

import pytest
from hint_samples import BY_HAND, said, view_of
from hypothesis import given
from hypothesis import strategies as st

from cort_data.hints.triggers import TRIGGERS
from cort_data.hints.view import View

WORDS = (
    *("Case 1: ", "Case 2: ", "n = 1: ", "n = 2: ", "n = 3: ", "x ≈ 1.25, ", "about 0.333, ", "probably 1/3. ", "so, "),
    *("expand (x+1)^2 = x^2 + 2x + 1. ", "x*y = 3. ", "try all values. ", "no. ", "the nearest tenth. ", "and so. "),
    *("0.785398. ", "It looks like \\frac{1}{4}. ", "the answer is 42. ", "12*4 = 48. ", "Round it to 0.3. ", "\n"),
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map("".join)


def make(name):
    return TRIGGERS[name](**({"pattern": "so"} if name == "regex" else {}))


@pytest.mark.parametrize("name", [name for name, trigger in TRIGGERS.items() if trigger.needs])
@given(text=TEXTS)
def test_clauses_without_its_stems_do_not_matter(name, text):
    view = view_of(said(text))
    whole, sparing = make(name).detector(), make(name).detector()
    whole.restart(view)
    sparing.restart(view)
    for clause in view.clauses:
        seen = whole.read(view, clause)
        if any(stem in clause.text.lower() for stem in make(name).needs):
            assert sparing.read(view, clause) == seen
        else:
            assert seen is None


@pytest.mark.parametrize("name", list(TRIGGERS))
@given(text=TEXTS)
def test_a_copy_of_a_detector_goes_on_by_itself(name, text):
    view = View()
    detector = make(name).detector()
    detector.restart(view)
    view.append(*said(text))
    half = len(view.clauses) // 2
    before = [detector.read(view, clause) for clause in view.clauses[:half]]
    twin = copy.deepcopy(detector)
    after = [detector.read(view, clause) for clause in view.clauses[half:]]
    assert [twin.read(view, clause) for clause in view.clauses[half:]] == after
    fresh = make(name).detector()
    fresh.restart(View())
    assert [fresh.read(view, clause) for clause in view.clauses] == before + after


@pytest.mark.parametrize("name", list(TRIGGERS))
def test_every_trigger_says_what_it_looks_for(name):
    assert TRIGGERS[name].name == name
    assert TRIGGERS[name].__doc__
    assert all(field.description for field in TRIGGERS[name].model_fields.values())
    assert make(name).detector().restart(view_of(said(BY_HAND))) is None
