"""Which traces a model is fine-tuned on."""

from builders import block, completion, make_trace
from hypothesis import given
from hypothesis import strategies as st

from cort_data.selection import Choice, Rate, choose, mix, program


def trace(id, words, code="print(1)", problem="p"):
    made = make_trace(completion("word " * words, block(code, "1")), id=id)
    return made.model_copy(update={"problem": made.problem.model_copy(update={"id": problem})})


def test_the_shortest_come_first_and_at_most_so_many_a_problem():
    samples = [trace("a", 30), trace("b", 10), trace("c", 20)]
    assert [t.id for t in choose(samples, Choice.SHORTEST, 2)] == ["b", "c"]


def test_diverse_takes_what_is_least_like_the_taken():
    alike = [trace("a", 10), trace("b", 11)]
    other = make_trace(
        completion("Quite another line of thought goes here, with all its own words.", block("x", "1")), id="c"
    )
    chosen = choose([*alike, other], Choice.DIVERSE, 2)
    assert {t.id for t in chosen} >= {"c"}
    assert len(chosen) == 2


def test_the_window_of_difficulty_has_both_its_ends():
    assert [Rate(4, right).within((0.25, 0.75)) for right in range(5)] == [False, True, True, True, False]
    assert Rate(4, 4).within((0.0, 1.0))


def test_programs_are_the_same_whatever_their_names_and_layout():
    one = trace("a", 5, "total = 3 * 4\nprint(total)  # twelve")
    same = trace("b", 5, "t = 3*4\nprint( t )")
    other = trace("c", 5, "t = 3 * 5\nprint(t)")
    assert program(one) == program(same) != program(other)


def test_the_mix_shows_a_collapse():
    lively = [trace("a", 5, "print(1)", "p"), trace("b", 5, "print(2)", "p"), trace("c", 5, "print(3)", "q")]
    dull = [trace("a", 5, "print(1)", "p"), trace("b", 5, "print( 1 )", "p"), trace("c", 5, "print(3)", "q")]
    problems = {"p": Rate(4, 4), "q": Rate(4, 1)}
    assert mix(problems, lively).distinct_programs == 1.0
    assert mix(problems, dull).distinct_programs == 0.0
    assert (mix(problems, dull).traces, mix(problems, dull).problems) == (3, 2)
    assert mix(problems, dull).bands == (1, 0, 0, 1)
    assert mix(problems, dull[2:]).distinct_programs is None


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 4), st.sampled_from(Choice))
def test_a_choice_is_among_the_kept_without_doubles(lengths, most, choice):
    kept = [trace(f"t{i}", n) for i, n in enumerate(lengths)]
    chosen = choose(kept, choice, most)
    assert len({t.id for t in chosen}) == len(chosen) == min(most, len(kept))
