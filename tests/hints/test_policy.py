"""Policies: which hint goes in, where the text is cut, what it says, and what is noted."""

from dataclasses import replace

import pytest
from hint_samples import BY_HAND, OUTPUT, PROBLEM, WORK, hint_file, ran, said, view_of
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import HintError
from cort_data.hints.policy import POLICIES, HintPolicy, by_priority, load_policy
from cort_data.hints.template import Place, load_hint
from cort_data.hints.view import View
from cort_data.trace import Kind, Origin, Problem

TRACEBACK = '\n```output\nTraceback (most recent call last):\n  File "<cell 1>", line 1\n    x\nNameError: no x\n```\n'


[TEDIOUS] = load_policy("none+delayed_computation").hints


def start(*paths, seed=0):
    return HintPolicy("test", by_priority([load_hint(path) for path in paths])).start(PROBLEM, seed)


def outcomes(policy):
    return [(event.name, event.outcome, event.reason) for event in policy.events if event.outcome != "fired"]


def test_shipped_policies():
    names = {name: [hint.name for hint in load_policy(name).hints] for name in POLICIES}
    assert names == {
        "none": [],
        "prompt_hint": ["open"],
        "hint_engineering": ["code_error", "result_distrust", "delayed_computation", "open"],
        "branch": ["code_error", "result_distrust", "delayed_computation", "open"],
        "random": ["code_error", "result_distrust", "delayed_computation", "open"],
        "sham": ["code_error", "sham_result_distrust", "sham_delayed_computation", "open"],
        "conjunction": ["delayed_computation", "open"],
        "shortest_of_n": [],
    }


def test_a_hint_of_the_library_can_be_added():
    policy = load_policy("prompt_hint+loop")
    assert (policy.name, [hint.name for hint in policy.hints]) == ("prompt_hint+loop", ["loop", "open"])


@pytest.mark.parametrize(("name", "message"), [("nothing", "no hint policy named"), ("none+nothing", "no hint named")])
def test_unknown_policies_are_named_with_what_there_is(name, message):
    with pytest.raises(HintError, match=message):
        load_policy(name)


def test_the_open_hint_stands_alone_at_the_start():
    firing = load_policy("prompt_hint").start(PROBLEM, 3).observe(View())
    assert (firing.hint.name, firing.cut, firing.wording) == ("open", 0, 3)
    assert not firing.text[0].isspace()
    assert firing.text.endswith(".\n")


@pytest.mark.parametrize("policy", POLICIES)
def test_even_seeds_give_even_wordings(policy):
    for hint in load_policy(policy).hints:
        for seed in range(20):
            assert hint.wording(seed, "en") % 2 == seed % 2


def feed(policy, view, text, size=5):
    """Chunks until a hint fires, as the rollout loop does it."""
    for at in range(0, len(text), size):
        view.append(*said(text[at : at + size]))
        if firing := policy.observe(view):
            return firing
    return None


def apply(view, firing):
    view.truncate(firing.cut)
    view.append(Kind.TEXT, Origin.HINT, firing.text)


def test_a_rewind_to_the_start_of_the_work():
    policy, view = load_policy("none+delayed_computation").start(PROBLEM, 0), View()
    firing = feed(policy, view, BY_HAND)
    assert (firing.cut, firing.span.start) == (WORK, WORK)
    assert firing.text.endswith("at once.\n```python\n")
    event = policy.events[0]
    assert (event.outcome, event.trigger, event.start, event.end) == (
        "fired",
        "manual_arithmetic",
        WORK,
        firing.span.end,
    )


@given(st.integers(1, 200))
def test_chunks_do_not_change_a_firing(size):
    for place in (Place.AT_SPAN_START, Place.HERE):
        placed = HintPolicy("x", (replace(TEDIOUS, place=place),))
        one, other = (feed(placed.start(PROBLEM, 0), View(), BY_HAND, chars) for chars in (1, size))
        assert (one.cut, one.text, one.span) == (other.cut, other.text, other.span)


def test_inside_a_line_the_hint_starts_a_fresh_one(tmp_path):
    path = hint_file(tmp_path, trigger="{name: regex, pattern: tedious}", body="Use {{ span | upper }}")
    view = View()
    firing = feed(start(path), view, "It is long.  That is tedious. More.\n")
    assert firing.cut == len("It is long.")
    assert firing.text == "\nUse THAT IS TEDIOUS. \n"
    here = hint_file(tmp_path, "here", trigger="{name: regex, pattern: tedious}", place="here", body="Use it.\n\n")
    firing = feed(start(here), View(), "It is long.  That is tedious. More.\n")
    assert (firing.cut, firing.text) == (len("It is long.  That is tedious."), "\nUse it.\n")


def test_a_rewind_stays_inside_the_run(tmp_path):
    path = hint_file(tmp_path, trigger="{name: no_code_yet, chars: 30}", max_uses=5)
    view = view_of(said("These words are long enough, "), (Kind.TEXT, Origin.HINT, "Hint.\n"))
    firing = feed(start(path), view, "and these come after the hint.\n")
    assert firing.cut == view.text.index("and these")


def test_after_an_output(tmp_path):
    policy = load_policy("none+code_error").start(PROBLEM, 0)
    view = view_of(*ran(TRACEBACK))
    firing = policy.observe(view)
    assert (firing.cut, firing.text[0], firing.text[-1]) == (view.length, "T", "\n")
    apply(view, firing)
    assert policy.observe(view) is None
    late = hint_file(tmp_path, trigger="{name: regex, pattern: hm}", place="after_output", body="{{ last_output }}!")
    view = view_of(*ran(OUTPUT))
    firing = feed(start(late), view, "I see, hm, well.\n")
    assert (firing.cut, firing.text) == (view.run_start, "29842!\n")
    policy = start(late)
    assert feed(policy, View(), "I see, hm, well.\n") is None
    assert outcomes(policy) == [("tedious", "blocked", "no output yet")]


def test_uses_are_counted_and_what_is_blocked_is_noted_once(tmp_path):
    path = hint_file(tmp_path, trigger="{name: regex, pattern: again}", place="here", max_uses=2)
    policy, view = start(path), View()
    for _ in range(2):
        apply(view, feed(policy, view, "And again.\n"))
    assert feed(policy, view, "And again. Or again, and again.\n") is None
    assert outcomes(policy) == [("tedious", "blocked", "max_uses")]
    assert [event.outcome for event in policy.events].count("fired") == 2


def test_the_higher_priority_wins_and_ties_go_by_name(tmp_path):
    pattern = "{name: regex, pattern: now}"
    low, b, a = (hint_file(tmp_path, n, trigger=pattern, priority=p) for n, p in (("low", 1), ("b", 2), ("a", 2)))
    policy = start(low, b, a)
    assert feed(policy, View(), "It is now. \n").hint.name == "a"
    assert outcomes(policy) == [(n, "blocked", "higher priority fired: a") for n in ("b", "low")]


def test_a_blocked_hint_leaves_the_place_to_the_next(tmp_path):
    opens = hint_file(tmp_path, "opens", body="Run:\n```python\n", priority=9)
    words = hint_file(tmp_path, "words", body="Calls left: {{ calls_left }}.\n")
    policy, view = start(opens, words), View(calls=0)
    firing = feed(policy, view, BY_HAND)
    assert (firing.hint.name, firing.text) == ("words", "Calls left: 0.\n")
    assert outcomes(policy) == [("opens", "blocked", "calls budget used up")]


def test_no_hint_inside_code(tmp_path):
    path = hint_file(tmp_path, trigger="{name: regex, pattern: now}")
    policy, view = start(path), view_of(said("It is now. "), (Kind.CODE, Origin.MODEL, "```python\n"))
    assert policy.observe(view) is None
    view = view_of(said("It is now. "))
    view.in_code = True
    assert policy.observe(view) is None
    assert outcomes(policy) == [("tedious", "blocked", "inside code")]


def test_of_near_misses_the_best_of_each_run_is_kept():
    policy, view = load_policy("none+delayed_computation").start(PROBLEM, 0), View()
    assert feed(policy, view, "So 12*3 = 36. And 36+4 = 40. That is it.\n") is None
    [near] = policy.events
    assert (near.outcome, near.score, near.threshold, near.start) == ("below", 1.62, 3.0, 14)
    for kind, origin, text in ran():
        view.append(kind, origin, text)
    assert policy.observe(view) is None
    assert feed(policy, view, "So 12*3 = 36.\n") is None  # one step of three is no near miss
    assert policy.events == [near]


def test_a_span_is_answered_once_even_if_the_text_is_not_cut(tmp_path):
    policy, view = start(hint_file(tmp_path, max_uses=9)), view_of(said(BY_HAND))
    assert policy.observe(view) is not None
    assert policy.observe(view) is None


def test_wordings_follow_the_problems_language(tmp_path):
    body = "Use code.\n---\n{# lang: zh #}\n用代码。\n"
    hint = load_hint(hint_file(tmp_path, trigger="think_open", place="here", body=body, languages="[en, zh]"))
    chinese = Problem(id="z", text="求 347 与 86 的积。", answer="29842")
    texts = [HintPolicy("x", (hint,)).start(p, 1).observe(View()).text for p in (PROBLEM, chinese)]
    assert texts == ["Use code.\n", "用代码。\n"]


def test_a_wording_that_fails_in_a_trace_is_named(tmp_path):
    body = "{{ last_output | int / (calls_left - 5) }}\n"
    policy = start(hint_file(tmp_path, trigger="think_open", place="here", body=body))
    with pytest.raises(HintError, match=r"tedious\.md:7: cannot be rendered in a trace"):
        policy.observe(View(calls=5))
