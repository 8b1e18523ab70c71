"""Which slot a prefix gets, and what of it is reused."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cort_data.engines.slots import SlotTable


def ids(*tokens):
    return np.array(tokens, dtype=np.int32)


def filled(table, tokens, *, finished=False):
    """A slot that holds these tokens and is free."""
    place = table.acquire(ids(*tokens))
    table.lengths[place.slot] = len(tokens)
    table.release(place.slot, finished=finished)
    return place.slot


def test_a_continuation_takes_its_own_slot_over():
    table = SlotTable(3, 16)
    filled(table, [9, 9, 9, 9])
    parked = filled(table, [1, 2, 3, 4])
    place = table.acquire(ids(1, 2, 3, 4, 5, 6))
    assert (place.slot, place.reused, place.donor) == (parked, 4, None)


def test_a_rewind_keeps_what_stands_before_it():
    table = SlotTable(2, 16)
    parked = filled(table, [1, 2, 3, 4, 5])
    place = table.acquire(ids(1, 2, 3, 8))
    assert (place.slot, place.reused) == (parked, 3)


def test_another_sample_copies_the_prompt_and_leaves_the_parked_text():
    table = SlotTable(2, 16)
    parked = filled(table, [1, 2, 3, 4, 5, 6, 7, 8])
    place = table.acquire(ids(1, 2, 3, 9))
    assert place.slot != parked
    assert (place.donor, place.reused) == (parked, 3)


def test_a_busy_slot_gives_its_prefix():
    table = SlotTable(2, 16)
    busy = table.acquire(ids(1, 2, 3)).slot
    table.lengths[busy] = 3
    place = table.acquire(ids(1, 2, 3, 4))
    assert (place.donor, place.reused) == (busy, 3)


def test_the_last_token_is_always_run():
    table = SlotTable(1, 16)
    filled(table, [1, 2, 3, 4])
    assert table.acquire(ids(1, 2, 3, 4)).reused == 3


def test_a_finished_text_is_overwritten_before_a_parked_one():
    table = SlotTable(2, 16)
    filled(table, [1, 1, 1])
    done = filled(table, [2, 2, 2], finished=True)
    assert table.acquire(ids(3, 3, 3)).slot == done


def test_the_longest_parked_is_overwritten_first():
    table = SlotTable(2, 16)
    first = filled(table, [1, 1, 1])
    filled(table, [2, 2, 2])
    assert table.acquire(ids(3, 3, 3)).slot == first


def test_none_while_all_are_busy():
    table = SlotTable(1, 16)
    table.acquire(ids(1))
    assert table.acquire(ids(1)) is None


@given(st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.booleans()), max_size=30))
def test_what_is_reused_is_what_the_slot_held(requests):
    table = SlotTable(3, 8)
    held = {slot: [] for slot in range(3)}
    for tokens, keep_busy in requests:
        place = table.acquire(ids(*tokens))
        if place is None:
            break
        source = place.slot if place.donor is None else place.donor
        assert held[source][: place.reused] == tokens[: place.reused]
        assert place.reused < len(tokens)
        held[place.slot] = tokens
        table.lengths[place.slot] = len(tokens)
        if not keep_busy:
            table.release(place.slot, finished=False)
