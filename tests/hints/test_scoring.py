"""Scoring by the rules for annotating: where a firing counts, what is false, what is refused."""

import hashlib
import json

import pytest
from builders import make_trace

from cort_data.errors import HintError, TraceError
from cort_data.hints.annotations import Completion, golden, read_marked
from cort_data.hints.score_report import find_labels, report, rows
from cort_data.hints.scoring import agreement, match, mistakes, outcome, quality
from cort_data.hints.triggers import TRIGGERS, Span
from cort_data.trace import segments_of

TEXT = "One is here. Two is here. Three is here. Four is here. Five is here. Six is here.\n"
LABEL = "manual_arithmetic"


def completion(text=TEXT, id="a", model="m"):
    return Completion(id, model, segments_of(text)[0])


def marked(*spans, text=TEXT, id="a"):
    return golden(completion(text, id), [(LABEL, start, end) for start, end in spans])


def fired(*starts):
    return [Span(start, start + 5, 1.0, 1.0, "") for start in starts]


def counts(one, *starts):
    found = match(one, LABEL, fired(*starts))
    return len(found.hits), len(found.misses), len(found.false)


@pytest.mark.parametrize(
    ("start", "right"),
    [
        (TEXT.index("One"), False),
        (TEXT.index("Two"), True),  # one sentence before
        (TEXT.index("Three"), True),
        (TEXT.index("Four") + 3, True),
        (TEXT.index("Five"), False),
    ],
)
def test_a_firing_counts_from_one_sentence_before_to_the_end(start, right):
    one = marked((TEXT.index("Three"), TEXT.index("Five") - 1))
    assert counts(one, start) == ((1, 0, 0) if right else (0, 1, 1))


def test_the_sentence_before_does_not_stand_before_a_block():
    text = "A sentence.\n```python\n1\n```\n```output\n1\n```\nIt starts here. It goes on here and here and here.\n"
    start = text.index("It starts")
    one = marked((start, len(text)), text=text)
    assert start - 1 <= one.gold[0].reach <= start


def test_further_firings_in_one_span_are_false():
    one = marked((13, 60))
    assert counts(one, 13, 26, 41) == (1, 0, 2)


def test_close_spans_are_one_and_others_two():
    assert len(marked((0, 12), (26, 40)).gold) == 1
    apart = "x" * 100 + ". "
    assert len(marked((0, 12), (60, 80), text=apart).gold) == 2
    both = golden(completion(), [(LABEL, 0, 12), ("loop", 13, 25)])
    assert [gold.label for gold in both.gold] == [LABEL, "loop"]


def test_quality_counts_and_gives_intervals():
    hit, missed = marked((13, 25), id="a"), marked((13, 25), id="b")
    outcomes = [match(hit, LABEL, fired(13, 70)), match(missed, LABEL, [])]
    figures = quality(outcomes)
    assert (figures.gold, figures.fired, figures.right, figures.traces) == (2, 2, 1, 2)
    assert (figures.precision.value, figures.recall.value, figures.f1.value) == (0.5, 0.5, 0.5)
    assert (figures.recall.low, figures.recall.high) == (0, 1)
    assert figures.wasted_mean == pytest.approx(5 / 4)
    assert figures.false_per_10k.value == pytest.approx(10_000 / (2 * len(TEXT) / 4))
    assert not figures.established


def test_forty_spans_establish_a_figure():
    one = marked((13, 25))
    assert quality([match(one, LABEL, fired(13))] * 40).established
    assert not quality([match(one, LABEL, fired(13))] * 39).established


def test_nothing_fired_has_no_precision():
    figures = quality([match(marked((13, 25)), LABEL, [])])
    assert figures.precision is None
    assert figures.recall.value == 0


def test_agreement_of_two_annotations_both_ways():
    first, second = marked((13, 25), (66, 82)), marked((13, 25))
    there, back = agreement([first], [second], LABEL)
    assert (there.gold, there.fired, there.right) == (2, 1, 1)
    assert (back.gold, back.fired, back.right) == (1, 2, 1)
    assert there.f1.value == back.f1.value == pytest.approx(2 / 3)


def test_a_trigger_runs_on_the_completion():
    work = "Let me compute this by hand.\n347*6: 7*6=42, write 2 carry 4; 4*6+4=28; 3*6+2=20. So 347*6=2082.\n"
    one = marked((len(TEXT), len(TEXT) + len(work)), text=TEXT + work)
    found = outcome(one, TRIGGERS[LABEL]())
    assert [gold.start for gold, _ in found.hits] == [len(TEXT)]
    assert found.wasted[0] < len(work) / 4
    nothing = marked((0, 12), text=TEXT + work)
    assert [m.kind for m in mistakes(outcome(nothing, TRIGGERS[LABEL]()))] == ["missed", "false"]


def test_mistakes_name_the_line_and_the_text():
    text = "One.\n" + TEXT
    [miss] = mistakes(match(marked((5, 17), text=text), LABEL, []))
    assert (miss.kind, miss.line, miss.before, miss.text) == ("missed", 2, "One.\n", "One is here.")


@pytest.fixture
def files(tmp_path):
    def write(marks, text=TEXT, **line):
        traces, annotated = tmp_path / "traces.jsonl", tmp_path / "marks.jsonl"
        traces.write_text(json.dumps({"id": "a", "problem": "What?", "completion": text, **line}) + "\n")
        usual = {"trace_id": "a", "sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "label": LABEL}
        annotated.write_text("".join(json.dumps(usual | mark) + "\n" for mark in marks))
        return [traces], annotated

    return write


def test_annotations_are_read_with_their_traces(files):
    [one] = read_marked(*files([{"start": 0, "end": 12}, {"start": 60, "end": 82}], model="M"))
    assert [(gold.start, gold.end) for gold in one.gold] == [(0, 12), (60, 82)]
    assert (one.completion.model, one.completion.text) == ("M", TEXT)
    [none] = read_marked(*files([{"label": "none"}]))
    assert none.gold == ()


def test_our_own_traces_are_read_too(tmp_path):
    trace = make_trace(TEXT + "</think>\nIt is \\boxed{1}.")
    path, annotated = tmp_path / "traces.jsonl", tmp_path / "marks.jsonl"
    path.write_text(trace.to_json() + "\n")
    digest = hashlib.sha256(trace.text.encode()).hexdigest()
    annotated.write_text(json.dumps({"trace_id": trace.id, "sha256": digest, "label": "none"}) + "\n")
    [one] = read_marked([path], annotated)
    assert one.completion.text == trace.text


REFUSED = {
    "another text": ([{"start": 0, "end": 12}], {"text": "Another."}, r"marks.jsonl:1: trace a: .* sha256 .*annotate"),
    "no such trace": (
        [{"trace_id": "b", "start": 0, "end": 12}],
        {},
        r"marks.jsonl:1: trace b is not among .*--traces",
    ),
    "beyond the end": ([{"start": 0, "end": 12}, {"start": 0, "end": 500}], {}, r"marks.jsonl:2: trace a: .* 500"),
    "no characters": ([{"start": 5, "end": 5}], {}, r"marks.jsonl:1: not an annotation: .*start < end"),
    "no label": ([{"label": ""}], {}, r"marks.jsonl:1: not an annotation: label"),
}


@pytest.mark.parametrize(("marks", "other", "message"), REFUSED.values(), ids=REFUSED)
def test_annotations_that_do_not_fit_are_refused(files, marks, other, message):
    with pytest.raises(TraceError, match=message) as refused:
        read_marked(*files(marks, **other))
    assert "\n" not in str(refused.value)


def test_labels_are_triggers_or_known_to_have_none(capsys):
    one = golden(completion(), [(LABEL, 0, 12), ("verification", 0, 12)])
    assert find_labels([one]) == [LABEL]
    assert "1 spans are labelled verification" in capsys.readouterr().err
    with pytest.raises(HintError, match="did you mean manual_arithmetic"):
        find_labels([golden(completion(), [("manual_arithmetics", 0, 12)])])


def test_reports():
    outcomes = [match(marked((13, 25)), LABEL, fired(13, 70))]
    shown = report(LABEL, outcomes, misses=True)
    assert "1 marked, 2 fired, 1 right" in shown
    assert "not established" in shown
    assert "false  a line 1: …Four is here. Five is here. S" not in shown
    assert "⟦" in shown
    figures, mistake = rows(LABEL, outcomes, misses=True)
    assert (figures["trigger"], figures["precision"]["value"]) == (LABEL, 0.5)
    assert mistake["kind"] == "false"
