"""A search by hand: plans to try many candidates, and values that are tried in vain."""

import pytest
from hint_samples import first_firing, said

from cort_data.hints.triggers.candidates import BruteForceSearch

SEARCHED = [
    "Let me try all values of n from 1 to 50.\n",
    "I'll test each candidate one by one.\n",
    "We could check every pair with a sum below 40.\n",
    "So let's just go through the possibilities one at a time:\n",
    "Now I need to list all the divisors of 5040, and test which of them fit.\n",
    "Trial and error it is.\n",
    "I have to run through each of the 24 arrangements.\n",
    "Checking all primes up to 200:\n",
    "Let's start by plugging in small values for k.\n",
    "Try x = 3: the sum is 40, too small.\nTry x = 4: the sum is 52, no.\nx = 5 gives 66, which is too big.\n",
]
NOT_SEARCHED = [
    "Let me try all values of n from 1 to 50 in Python.\n",
    "I'll test each candidate, and a short script does that.\n",
    "This holds for all values of n from 1 on.\n",
    "We can avoid checking every pair by looking at parities.\n",
    "Let me check all the conditions of the theorem.\n",
    "I want to try a different approach to this problem.\n",
    "The sum over all divisors of 28 is 56.\n",
    "Instead of going through each arrangement, count the fixed ones.\n",
    "I tried every value up to 10 before.\n",
    "Let n = 3. Then the triangle is right-angled, which is not surprising.\n",
]


@pytest.mark.parametrize("text", SEARCHED)
def test_a_search_by_hand_is_found_where_it_is_planned(text):
    span = first_firing(BruteForceSearch(), said("It is an equation.\n" + text))
    assert span is not None
    assert span.start == len("It is an equation.\n")


@pytest.mark.parametrize("text", NOT_SEARCHED)
def test_quantifiers_programs_and_reports_are_no_search(text):
    assert first_firing(BruteForceSearch(), said("It is an equation.\n" + text)) is None


def test_a_plan_waits_for_the_rest_of_its_sentence():
    plan = "Let me check each residue, "
    assert first_firing(BruteForceSearch(), said(plan)) is None
    assert first_firing(BruteForceSearch(), said(plan + "from the smallest on.\n")).end == len(plan) + 22
    assert first_firing(BruteForceSearch(), said(plan + "with a loop in code.\n")) is None


def test_one_failed_trial_is_no_search():
    span = first_firing(BruteForceSearch(score=0.4), said("x = 3: that is too small.\n"))
    assert (span.score, span.threshold) == (0.4, 0.4)
    assert first_firing(BruteForceSearch(), said("x = 3: that is too small.\n")) is None
