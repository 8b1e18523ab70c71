"""Lists of cases: numbered ones, and the values of one variable."""

import pytest
from hint_samples import first_firing, said

from cort_data.hints.triggers.cases import CaseEnumeration

LISTED = [
    "Case 1: x is even. Then it is fine.\nCase 2: x is odd.\n",
    "**Case 1:** both are red. That is easy.\n\n**Case 2:** one is red.\n",
    "Case I. The apex is at the top.\nCase II. The apex is at the side.\n",
    "Case A: no repeats.\nCase B: one repeat.\n",
    "Case 1 is when a < b. Some words here.\nCase 2 is when a > b.\n",
    "Scenario 1: the first coin is heads.\nScenario 2: it is tails.\n",
    "n = 1: 1 way. n = 2: 3 ways. n = 3: 7 ways.\n",
    "For k = 4, there are 2. For k = 5, there are 6. For k = 6, none.\n",
    "- If a = 3: b may be 2 or 9.\n- If a = 2: b may be 5.\n- If a = 1: b is free.\n",
    "When $x = 0$, y is 7. When $x = 1$, y is 5. When $x = 2$, y is 3.\n",
]
NOT_LISTED = [
    "Case 2 of the theorem applies. In case 3 it does not.\n",
    "In each case the sum is even, in case of doubt look at the parity.\n",
    "Case 1: x is even. Then all of it is done, the other case is the same.\n",
    "Let n = 3. Let k = 4. Let j = 5.\n",
    "For n = 1, the claim is trivial. For n = 2, it is as well. Assume it for n.\n",
    "The solutions are x = 3, x = 4 and x = 5.\n",
    "a_1 = 3, a_2 = 5, a_3 = 7, a_4 = 9.\n",
    "n = 10: as above. n = 20: as above. n = 40: as above.\n",
    "If x = 0.5, y = 2. If x = 1.5, y = 3. If x = 2.5, y = 4.\n",
    "This is a case study. Its cases are 1, 2 and 3.\n",
]


@pytest.mark.parametrize("text", LISTED)
def test_a_list_of_cases_is_found_from_its_first_case_on(text):
    span = first_firing(CaseEnumeration(), said("There are a few cases.\n" + text))
    assert span is not None
    assert span.start == len("There are a few cases.\n")


@pytest.mark.parametrize("text", NOT_LISTED)
def test_single_cases_and_solutions_are_no_list(text):
    assert first_firing(CaseEnumeration(), said("There are a few cases.\n" + text)) is None


def test_values_must_be_near_and_numbered_cases_need_not():
    far = "Much is said about this one before the next. " * 10
    assert first_firing(CaseEnumeration(), said(f"n = 1: a. {far}n = 2: b. {far}n = 3: c.\n")) is None
    assert first_firing(CaseEnumeration(), said(f"Case 1: a. {far}\nCase 2: b.\n")) is not None


def test_the_longer_the_list_the_higher_the_score():
    text = "n = 1: a. n = 2: b. n = 3: c. n = 4: d. \n"
    assert first_firing(CaseEnumeration(cases=4), said(text)).score == 4
    assert first_firing(CaseEnumeration(cases=5), said(text)) is None
