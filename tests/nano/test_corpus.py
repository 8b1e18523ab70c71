"""Traces of the corpus: true outputs, spans where the behaviours are, no unseen wording."""

from dataclasses import replace
from itertools import islice, pairwise

import pytest

from cort_data.data import data_dir
from cort_data.fences import code_of
from cort_data.hints.scan import detect
from cort_data.hints.triggers import TRIGGERS
from cort_data.interpreter.cell import new_namespace, run_cell
from cort_data.nano import phrases
from cort_data.nano.corpus import Mixture, traces
from cort_data.nano.mixtures import BASE, MIXTURES
from cort_data.trace import Kind, Origin, feedback, segments_of


@pytest.fixture(scope="module")
def corpus():
    mixture = replace(MIXTURES["teacher"], loop=0.05)
    return list(islice(traces("pretrain", 3, mixture), 400))


def test_same_seed_same_corpus():
    assert list(islice(traces("pretrain", 3, BASE), 20)) == list(islice(traces("pretrain", 3, BASE), 20))


def test_every_completion_ends_with_its_answer(corpus):
    assert all(t.text.count("</think>") == 1 and t.text.endswith(f"\\boxed{{{t.answer}}}.") for t in corpus)


def test_wrong_answers_come_from_believed_slips_alone(corpus):
    for trace in corpus:
        if trace.answer != trace.problem.answer:
            assert any(span.label == "recheck" for span in trace.spans)


def test_outputs_are_what_the_code_prints(corpus):
    for trace in corpus:
        namespace, cell = new_namespace(), 0
        segments = segments_of(trace.text)[0]
        for code, after in pairwise(segments):
            if code.kind is Kind.CODE and after.kind is Kind.OUTPUT:
                cell += 1
                result = run_cell(code_of(code.text), namespace, cell)
                assert after.text == feedback(Kind.OUTPUT, result.feedback)


def test_interpreter_pieces_are_the_outputs(corpus):
    for trace in corpus:
        outputs = [s.text for s in segments_of(trace.text)[0] if s.kind is Kind.OUTPUT]
        assert [p.text for p in trace.pieces if p.origin is Origin.INTERPRETER] == outputs


def test_spans_start_on_a_line_and_lie_in_the_thinking(corpus):
    labels = set()
    for trace in corpus:
        for span in trace.spans:
            labels.add(span.label)
            assert 0 <= span.start < span.end <= trace.text.index("</think>")
            assert span.start == 0 or trace.text[span.start - 1] == "\n"
    assert labels == {"manual", "recheck", "loop"}


def test_triggers_find_the_spans(corpus):
    found = wanted = 0
    for trace in corpus[:150]:
        segments = segments_of(trace.text)[0]
        starts = {s.start for s in detect(segments, TRIGGERS["result_distrust"]())}
        spans = [s for s in trace.spans if s.label == "recheck" and s.end - s.start > 120]
        wanted += len(spans)
        found += sum(s.start in starts for s in spans)
    assert wanted > 10
    assert found >= 0.9 * wanted


@pytest.mark.parametrize("name", sorted(phrases.HINTS))
def test_unseen_wordings_never_occur(name, corpus):
    folder = phrases.NANO_HINTS if name == "by_hand" else data_dir("hints")
    wordings = phrases.read_wordings(folder / f"{name}.md")
    unseen = [w.strip().removesuffix(phrases.FENCE.strip()).strip() for w in wordings[1::2]]
    assert len(unseen) >= 3
    text = "\n".join(t.text for t in islice(traces("pretrain", 8, BASE), 3000))
    assert not any(w in text for w in unseen)
    assert any(w.strip() in text for w in wordings[::2])


def test_distrust_hint_is_followed_by_no_recheck():
    mixture = Mixture(distrust_hint=1.0, recheck=1.0)
    assert not any(s.label == "recheck" for t in islice(traces("pretrain", 1, mixture), 100) for s in t.spans)
