"""Detectors: what they fire on, where the span starts, and that chunks and later text change nothing."""

import random

import pytest
from hint_samples import BY_HAND, CODE, OUTPUT, WORK, ran, said, view_of
from hypothesis import given
from hypothesis import strategies as st

from cort_data.hints.scan import detect
from cort_data.hints.triggers import TRIGGERS, Span
from cort_data.hints.triggers.steps import announces_by_hand, evaluations, plain
from cort_data.hints.view import View
from cort_data.nano.corpus import Mixture, traces
from cort_data.trace import Kind, Origin, Segment, segments_of


def first(trigger, *pieces, **parameters):
    """The first firing of a trigger over a text that grows by a few characters at a time."""
    fired = firings(trigger, pieces, **parameters)
    return fired[0] if fired else None


def firings(trigger, pieces, seed=0, **parameters):
    """Each span at the moment when it first fires."""
    rng = random.Random(seed)
    view, detector = View(), TRIGGERS[trigger](**parameters).detector()
    spans, epoch, read = [detector.restart(view)], view.epoch, 0
    for kind, origin, text in pieces:
        while text:
            chunk, text = text[: (size := rng.randint(1, 9))], text[size:]
            if kind in (Kind.OUTPUT, Kind.NOTICE):
                chunk, text = chunk + text, ""  # the environment writes at once
            view.append(kind, origin, chunk)
            if view.epoch != epoch:
                epoch, read = view.epoch, 0
                spans.append(detector.restart(view))
            spans += [detector.read(view, clause) for clause in view.clauses[read:]]
            read = len(view.clauses)
    kept: dict[int, Span] = {}
    for span in spans:
        if span is not None and span.fires:
            kept.setdefault(span.start, span)
    return list(kept.values())


def test_think_open_is_the_empty_completion():
    assert first("think_open") == Span(0, 0, 1.0, 1.0, "the thinking begins")
    view = view_of(said("Text.\n"))
    assert TRIGGERS["think_open"]().detector().restart(view) is None


def test_no_code_yet():
    text = "A plain thought. " * 10
    span = first("no_code_yet", said(text), chars=100)
    assert (span.start, span.end) == (85, 102)
    assert first("no_code_yet", *ran(), said(text), chars=100) is None
    assert first("no_code_yet", said(text), chars=1000) is None


def test_code_error_directly_after_a_traceback():
    output = '\n```output\nTraceback (most recent call last):\n  File "<cell 1>", line 1\n    x\nNameError: no x\n```\n'
    span = first("code_error", *ran(output))
    assert (span.start, span.reason) == (len(CODE + output), "NameError: no x")
    assert first("code_error", *ran()) is None
    assert TRIGGERS["code_error"]().detector().restart(view_of(*ran(output), said("I see."))) is None


def test_manual_work_is_found_early_and_from_its_announcement_on():
    span = first("manual_arithmetic", said(BY_HAND))
    assert span.start == WORK
    assert span.end - WORK <= 70
    assert "347*6: 7*6=42" in BY_HAND[span.start : span.end]


WORKED_OUT = {
    "products": "First 12*34 = 408.\nThen 408*5 = 2040.\nThen 2040+17 = 2057.\nSo 2057/11 = 187.\n",
    "a chain": r"\(\frac{9 \times 10 \times 19}{6} = \frac{1710}{6} = 285\) so \(12 \cdot 285 = 3420\)." + "\n"
    r"Then \(6 \times 45 = 270\), and \(3420 - 270 + 9 = 3150 + 9 = 3159\)." + "\n",
    "roots": "Plugging in:\n|x - y| = sqrt(12² - 4*16) = sqrt(144 - 64) = sqrt(80)\n"
    "sqrt(80) = sqrt(16*5) = 4*sqrt(5)\nSo 4*4 + 5*5 = 16 + 25 = 41.\n",
    "words": "2002 * 20 is 40040. Then 44444 - 40040 = 4404, and 2002 * 2 = 4004.\nSo 4404 - 4004 = 400.\n",
    "powers": "7^1 = 7, 7^2 = 49 ≡ 9 (mod 20), 7^3 = 343 ≡ 3 (mod 20), 7^4 = 2401.\n",
    "divisors": "I do this on paper.\nDivisors of 180: 1*180; 2*90; 3*60; 4*45; 5*36; 6*30.\n",
    "long division": "Now divide 9876 by 12.\n98/12 = 8 remainder 2.\n27/12 = 2 remainder 3.\n36/12 = 3 remainder 0.\n",
    "a sum": "The terms: 1/2 + 1/3 = 5/6.\n5/6 + 1/4 = 13/12.\n13/12 + 1/5 = 77/60.\n77/60 + 1/6 = 87/60.\n",
    "values": "n = 1: 3*1 + 2 = 5.\nn = 2: 3*2 + 2 = 8.\nn = 3: 3*3 + 2 = 11.\nn = 4: 3*4 + 2 = 14.\n",
    "solving": "Expanding: x^2 - 8x + 16 + y^2 = 16\nSimplify: x^2 - 8x + y^2 = 0\n"
    "Subtract the two: 8x - 20y = 0\nDivide by 4: 2x - 5y = 0\n",
}


@pytest.mark.parametrize("text", WORKED_OUT.values(), ids=WORKED_OUT)
def test_manual_work_of_all_kinds(text):
    assert first("manual_arithmetic", said("Some words.\n" + text)) is not None


NOT_WORKED_OUT = {
    "a setup": "We need 347 * 86 and then 29842 mod 7.\nSay x are red: 14*x+7*(92-x)=980.\n",
    "one product": "There are 4*5 = 20 of them. So the answer has to be small.\n",
    "facts": "In 2024 there were 3 of 17 teams, with 4 players each.\nThe sum of 3 and 4 matters.\n",
    "variables": "Let a = 3, b = 4 and c = 5. Then f(x) = a*x + b and g(x) = x - c.\n",
    "apart": "So 3*4 = 12.\n" + "And many words come here to say something else entirely. " * 4 + "So 5*6 = 30.\n" * 1,
    "a conclusion": "The output is 29842. So the total is 29842, and 29842 is what we want.\n",
    "code is announced": "Instead of working by hand, I let Python compute 3*4 and 5*6.\n",
    "a bound": "Since each of the 12 terms is at most 5, the sum is at most 60, and 60 itself cannot be reached.\n",
    "a plan": "We could try all 20 values of k, or think of a formula that holds for every n from 1 to 100.\n",
    "comparisons": "As 12 <= 13, 4*5 >= 6 and 7*7 != 48, this holds: 3*3 == 9.\n",
}


@pytest.mark.parametrize("text", NOT_WORKED_OUT.values(), ids=NOT_WORKED_OUT)
def test_setting_up_and_concluding_are_no_manual_work(text):
    assert first("manual_arithmetic", said(text)) is None


def test_an_announcement_begins_a_new_span_if_the_work_before_has_ended():
    again = "Now I compute 29842 mod 7 by hand:\n29-4*7=1; 18-2*7=4; 44-6*7=2; 22-3*7=1.\n"
    starts = [span.start for span in firings("manual_arithmetic", [said(BY_HAND + again)])]
    assert starts == [WORK, len(BY_HAND)]
    at_once = BY_HAND[: BY_HAND.index("That is")] + again
    assert [span.start for span in firings("manual_arithmetic", [said(at_once)])] == [WORK]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("7*6=42, ", 1),
        ("a = 3", 0),
        ("2*3=6=12/2", 1),
        (r"\frac{3}{4} \cdot 8 = 6", 1),
        (r"\(8^2 = 64 \equiv 9 \mod 11\)", 1),
        ("C(10,3) = 120", 1),
        ("4! = 24", 1),
        ("2(1) = 2", 1),
        ("3*4 <= 13", 0),
        ("17 mod 5 = 2", 1),
        ("12 x 12 is 144", 1),
    ],
)
def test_counting_evaluations(text, count):
    assert evaluations(plain(text)) == count


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("Let me compute this by hand.", True),
        ("Next I do the value step by step:", True),
        ("Let's calculate each term:", False),
        ("I run a script instead of doing it by hand.", False),
        ("The problem was solved by hand in 1742.", False),
    ],
)
def test_announcements(text, by_hand):
    assert announces_by_hand(text) == by_hand


DISTRUSTED = {
    "by hand": "Wait, let me double-check that by hand.\n",
    "myself": "Actually, I want to verify the output myself:\n",
    "the same numbers": "Let me verify this result. 347*80 = 27760, 347*6 = 2082.\n",
    "without a word": "347*6 = 2082. 347*80 = 27760. 27760+2082 = 29842.\n",
    "doubt": "Is that right? 347*86 = 29842.\n",
    "digits": "Hmm, I should recompute this value digit by digit.\n",
    "manually": "To be safe, let me re-check the output manually.\n",
    "not sure": "I'm not sure about that. 347*6 = 2082 and 347*8 = 2776.\n",
    "too large": "That seems too large. 300*86 = 25800, and 47*86 = 4042, so 25800+4042 = 29842.\n",
    "on paper": "Still, let me confirm this number on paper:\n",
}


@pytest.mark.parametrize("text", DISTRUSTED.values(), ids=DISTRUSTED)
def test_distrust_after_an_output(text):
    span = first("result_distrust", *ran(), said(text))
    assert span.start == len(CODE + OUTPUT)
    assert first("result_distrust", said(text)) is None  # without an output there is nothing to distrust


TRUSTED = {
    "a conclusion": "So the product is 29842.\nThe output shows 347*86 = 29842, as it should.\n",
    "logic": "Let me check the loop's range: does it include the last value?\n",
    "the question": "Let me verify that the question asks for the product.\n",
    "more code": "Let me verify that with a short script.\n",
    "new work": "Next, 29842 + 5 = 29847.\n",
    "a remark": "The number is even because 86 is even, and it is not a multiple of 5.\n",
    "a case of the code": "Let me check whether the code handles the case n = 0 correctly.\n",
    "a smaller instance": "Let me verify the approach with a small example: n = 2 gives 2*3 = 6.\n",
    "another question": "That is the product, but the problem asks for its digit sum.\n",
    "far behind": "So much for the product. "
    + "The rest is about something else, and it takes long to say what. " * 40
    + "Let me verify this number: 347*80 = 27760, 347*6 = 2082.\n",
}


@pytest.mark.parametrize("text", TRUSTED.values(), ids=TRUSTED)
def test_reading_an_output_and_checking_logic_are_no_distrust(text):
    assert first("result_distrust", *ran(), said(text)) is None


def test_distrust_ends_with_new_code():
    pieces = [*ran(), said("Now the rest.\n"), (Kind.CODE, Origin.MODEL, CODE), said("I should verify it by hand.\n")]
    assert first("result_distrust", *pieces) is None


def test_loops_of_sentences():
    text = "A start.\n" + "Wait, is that all of it?\n" * 4
    span = first("loop", said(text))
    assert (span.start, span.end) == (text.index("Wait", 15), len(text))
    assert first("loop", said("A start.\n" + "Wait, is that all of it?\n" * 3)) is None


def cases(*lines):
    """Twelve cases, each of these lines in each."""
    return "".join(line.format(n=n, m=n * n + 1) + "\n" for n in range(12) for line in lines)


PARAGRAPH = "Consider the first case here. Then the second case follows. So neither of them works. "
LOOPS = {
    "paragraphs": PARAGRAPH * 3,
    "inside one sentence": "and so on the same words again and again " * 30,
    "with fillers": "It holds.\nWait, that is not so. Hmm, that is not so. But that is not so. OK, that is not so.\n",
    "two sentences": "First.\n" + "Is it even? Let me look again. " * 4 + "\n",
    "long sentences": "Start.\n" + "The first triangle shares a side with the second, so the areas are compared.\n" * 4,
    "after other work": "One thing is clear. Another is not. A third follows.\n" + "I go back to the start.\n" * 4,
    "formulas": "We set up.\n" + "x + y = 10 and x - y = 2.\n" * 4,
    "a clause": "it is six and it is seven and " * 30,
    "questions": "What is it?\n" + "Is that the answer? Or is it the other one? " * 4 + "\n",
    "headings": "Here.\n" + "**Set up the equation**\n**Solve the equation**\n" * 4,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_loops_of_all_kinds(text):
    assert first("loop", said(text)) is not None


RECAP = "The sides are 3 and 4.\nSo the area is 12.\n"
PROGRESS = {
    "two paragraphs": PARAGRAPH * 2,
    "values": cases("For n = {n} we get {m}, which is not it.", "Simplify:"),
    "a recap": RECAP + "Something else is needed.\n" + RECAP,
    "a case list": cases("Case {n}: the root is {m}.", "Not a prime, so no.", "On to the next one."),
    "remarks between": cases("For k = {n} that gives {m}.", "That is odd.", "It fails.", "The next differs by {n}."),
    "numbered steps": cases("**Step {n}**", "Something new with {m} happens here.", "So it goes on."),
    "a refrain": "So far so good.\nThe angle is right.\nSo far so good.\nThe side is 5.\nSo far so good.\nIt fits.\n",
    "said twice": "The answer must be even. It is a square. The answer must be even.\n",
    "a table": cases("{n} | {m} | {n}{m}"),
    "similar sentences": "The first is red. The second is red. The third is red. The fourth is red.\n",
    "short words": "No.\nYes.\nNo.\nYes.\nNo.\nNo.\nNo.\nNo.\n",
}


@pytest.mark.parametrize("text", PROGRESS.values(), ids=PROGRESS)
def test_progress_is_no_loop(text):
    assert first("loop", said(text)) is None


def test_a_rewind_is_forgotten_by_the_loop():
    view, detector = View(), TRIGGERS["loop"]().detector()
    detector.restart(view)
    for _ in range(4):  # the same line, written and taken back each time
        view.append(*said("Is that what was asked?\n"))
        assert [detector.read(view, clause) for clause in view.clauses] == [None]
        view.truncate(0)
        detector.restart(view)


def test_regex_matches_within_a_sentence():
    text = "First. We try all, that is: brute force, here. Then rest.\n"
    span = first("regex", said(text), pattern=r"(?i)TRY all, .* brute force")
    assert text[span.start : span.end] == "We try all, that is: brute force, "
    assert first("regex", said("brute\nforce\n"), pattern="brute.force") is None


SAMPLES = [trace.text for trace, _ in zip(traces("pretrain", 1, Mixture(loop=0.3)), range(30), strict=False)]
DETERMINISTIC = [("regex", {"pattern": "So "}), *((name, {}) for name in TRIGGERS if name != "regex")]


@pytest.mark.parametrize(("trigger", "parameters"), DETERMINISTIC)
@given(text=st.sampled_from(SAMPLES), seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_firings_depend_on_neither_chunks_nor_later_text(trigger, parameters, text, seed, share):
    pieces = [(s.kind, s.origin, s.text) for s in segments_of(text)[0]]
    whole = firings(trigger, pieces, 0, **parameters)
    assert firings(trigger, pieces, seed, **parameters) == whole
    kept, room = [], int(len(text) * share)
    for kind, origin, part in pieces:
        if room > 0:
            kept.append((kind, origin, part[:room] if kind is Kind.TEXT else part))
        room -= len(part)
    early = firings(trigger, kept, seed, **parameters)
    assert early == whole[: len(early)]


def test_nano_behaviours_are_found_where_the_generator_put_them():
    """Mechanism only: the corpus says where hand work and re-checks are, so detectors can be counted."""
    found = wanted = 0
    for _, trace in zip(range(200), traces("pretrain", 2, Mixture()), strict=False):
        spans = list(detect(segments_of(trace.text)[0], TRIGGERS["result_distrust"]()))
        gold = [span for span in trace.spans if span.label == "recheck"]
        wanted += len(gold)
        found += sum(any(abs(span.start - g.start) < 2 for span in spans) for g in gold)
        assert len(spans) <= len(gold)
    assert found >= 0.9 * wanted > 0


def test_scanning_gives_each_span_once_and_goes_on():
    again = "Now I compute 29842 mod 7 by hand:\n29-4*7=1; 18-2*7=4; 44-6*7=2; 22-3*7=1.\n"
    model = [Segment(kind=Kind.TEXT, origin=Origin.MODEL, text=BY_HAND + again)]
    spans = list(detect(model, TRIGGERS["manual_arithmetic"]()))
    assert [span.start for span in spans] == [WORK, len(BY_HAND)]
    assert spans[0].end == BY_HAND.index("That is")
