"""Bits of words: whole words, parts, symbols, digits; one group has one bit."""

from hint_samples import said, view_of

from cort_data.hints import lexicon


def test_whole_words_in_any_case():
    bit = lexicon.words("lexiconword another")
    assert lexicon.bits("A LexiconWord, here.") & bit
    assert not lexicon.bits("lexiconwords here") & bit


def test_parts_of_words_phrases_symbols_and_digits():
    bit = lexicon.stems({"lexistem", "of lexilong", "∴", "0"})
    for text in ("prelexistems", "a lexilong b", "so ∴ it", "it is 7"):
        assert lexicon.bits(text) & bit, text
    assert not lexicon.bits("nothing of it") & bit


def test_a_group_has_one_bit_and_another_has_another():
    one = lexicon.stems({"lexia", "lexib"})
    assert lexicon.stems({"lexib", "lexia"}) == one
    assert lexicon.stems({"lexia"}) & one == 0


def test_clauses_carry_bits():
    bit = lexicon.stems({"lexiclause"})
    view = view_of(said("No word. A lexiclause, here.\n"))
    assert [bool(clause.stems & bit) for clause in view.clauses] == [False, True, False]


def test_words_without_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(lexicon, "_MEMORY", 20)
    letters = "abcdefghij"
    lexicon.bits(" ".join(f"lexi{a}{b}" for a in letters for b in letters))
    assert len(lexicon._memo) <= 20
