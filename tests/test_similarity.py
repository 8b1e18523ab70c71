"""Words and numerals, near duplicates and contamination: same template is not same problem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.similarity import Contamination, NearDuplicates, fingerprint, numerals, similarity, words

TRAIN = (
    "A train leaves the station at 7 in the morning and travels at 60 miles per hour towards a town "
    "that is 240 miles away. At what time does it arrive there?"
)
SAME_TEMPLATE = TRAIN.replace("60", "80")
REWORDED = TRAIN.replace("At what time", "When")


def test_words_keep_numerals_and_drop_typesetting() -> None:
    assert words(r"Let $\left(x_1\right) = 3.5$, \text{then} \dfrac{1}{2}.") == [
        *("let", "x", "1", "3.5", "then", "frac", "1", "2")
    ]


@pytest.mark.parametrize("text", ["10000", "10,000", "10{,}000", r"10,\!000", r"10\,000"])
def test_thousands_separators_do_not_split_a_numeral(text: str) -> None:
    assert numerals(f"a prize of {text} dollars") == ("10000",)


def test_a_list_of_numerals_stays_a_list() -> None:
    assert numerals("1, 2, 30 and 1,23") == ("1", "1", "2", "23", "30")


def test_chinese_is_split_into_characters() -> None:
    assert words("求最小值 3") == ["求", "最", "小", "值", "3"]


def test_numerals_are_a_multiset() -> None:
    assert numerals("2 + 2 = 4") == ("2", "2", "4") != numerals("2 = 4")


@given(st.text())
def test_any_text_has_words_and_a_fingerprint(text: str) -> None:
    assert set(numerals(text)) <= set(words(text))
    assert fingerprint(text) == fingerprint(f"  {text}\n")


def test_fingerprint_ignores_spacing_case_and_typesetting_but_not_operators() -> None:
    assert fingerprint(r"Find  $\dfrac{1}{2}+x$.") == fingerprint(r"find $\frac{1}{2} + x$.")
    assert fingerprint("Compute 5+3.") != fingerprint("Compute 5-3.")


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_1_with_itself(first: str, second: str) -> None:
    assert similarity(first, first) == 1
    assert similarity(first, second) == similarity(second, first)


def test_a_reworded_problem_is_found_and_the_same_template_is_kept() -> None:
    index = NearDuplicates(threshold=0.7)
    index.add("train", TRAIN)
    assert index.find(REWORDED) == "train"
    assert similarity(TRAIN, SAME_TEMPLATE) > 0.7  # close in words: only the numeral keeps them apart
    assert index.find(SAME_TEMPLATE) is None


def test_the_most_similar_of_several_is_named_and_the_earliest_of_equals() -> None:
    index = NearDuplicates(threshold=0.5)
    for id, text in {"reworded": REWORDED, "same": TRAIN, "again": TRAIN}.items():
        index.add(id, text)
    assert index.find(TRAIN) == "same"


def test_an_operator_makes_another_problem() -> None:
    index = NearDuplicates(threshold=0.8)
    index.add("plus", "Compute 25 + 17.")
    assert index.find("Compute 25 - 17.") is None
    assert index.find("Compute $25+17$.") == "plus"


def test_texts_with_another_key_are_not_the_same() -> None:
    index = NearDuplicates(threshold=0.7)
    index.add("train", TRAIN, key="at 11")
    assert index.find(TRAIN, key="at 11") == "train"
    assert index.find(TRAIN, key="at 12") is None
    assert index.find(TRAIN) is None


def test_below_the_threshold_nothing_is_found() -> None:
    index = NearDuplicates(threshold=0.95)
    index.add("train", TRAIN)
    assert 0.5 < similarity(TRAIN, REWORDED) < 0.95
    assert index.find(REWORDED) is None


def test_texts_without_words_are_not_each_others_duplicates_of_real_ones() -> None:
    index = NearDuplicates()
    index.add("empty", "")
    assert index.find("") == "empty"
    assert index.find("word") is None


@pytest.mark.parametrize("threshold", [0, 1.01, -1])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must lie above 0"):
        NearDuplicates(threshold)


def test_a_planted_leak_is_found_and_the_same_template_is_not() -> None:
    guard = Contamination(n=13)
    guard.add("math500-1", TRAIN)
    assert guard.find(f"Consider this. {TRAIN} Answer in words.") == "math500-1"
    other = TRAIN.replace("7", "9").replace("60", "80").replace("240", "320")
    assert guard.find(other) is None


def test_an_overlap_without_a_numeral_does_not_count() -> None:
    phrase = "express your answer as a common fraction in lowest terms without any units or words at all"
    guard = Contamination(n=13)
    guard.add("bench", f"A bag holds 3 red balls. {phrase}")
    assert guard.find(f"A box holds 5 blue cubes and one coin. {phrase}") is None


@pytest.mark.parametrize("text", ["Find the sum of 2 and 3.", "Prove that the root is irrational " * 3])
def test_a_whole_problem_counts_whether_short_or_without_numerals(text: str) -> None:
    guard = Contamination(n=13)
    guard.add("bench", text)
    assert guard.find(text.upper()) == "bench"
    assert guard.find(f"{text} And why") is None


def test_empty_texts_match_nothing() -> None:
    guard = Contamination(n=3)
    guard.add("empty", "")
    assert guard.find("") is None


def test_an_n_gram_needs_at_least_one_word() -> None:
    with pytest.raises(ValueError, match="at least 1 word"):
        Contamination(n=0)
