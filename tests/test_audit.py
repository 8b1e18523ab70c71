import json

import pytest

from cort_data.audit import CHOICES, VISIBLE, Answer, Audit, read_answers
from cort_data.errors import TraceError
from cort_data.filters import FILTERS
from cort_data.trace import Decision
from tests.builders import make_trace


def run_of(path, verdicts):
    """A run whose filter stage gave these verdicts: `kept` or (filter, reason)."""
    folder = path / "filter"
    folder.mkdir(parents=True)
    lines = {"kept.jsonl": "", "dropped.jsonl": ""}
    for number, verdict in enumerate(verdicts):
        kept = verdict == "kept"
        name, reason = ("answer", "kept") if kept else verdict
        decision = Decision(filter=name, keep=kept, reason=reason)
        trace = make_trace(id=f"t{number}").with_decisions([decision])
        lines["kept.jsonl" if kept else "dropped.jsonl"] += trace.to_json() + "\n"
    for name, text in lines.items():
        (folder / name).write_text(text)
    return path


WRONG, DOUBT, LEAK = ("answer", "wrong"), ("result_distrust", "result_distrust"), ("contamination", "contaminated")


def test_half_are_kept_and_the_dropped_come_from_each_filter_in_turn(tmp_path):
    audit = Audit(run_of(tmp_path, ["kept"] * 9 + [WRONG] * 9 + [DOUBT] * 2 + [LEAK] * 5))
    ids = {trace.id for trace in audit.draw(8)}
    kept, wrong, doubt = ({f"t{i}" for i in range(*span)} for span in ((0, 9), (9, 18), (18, 20)))
    assert [len(ids & group) for group in (kept, wrong, doubt)] == [4, 2, 2]


def test_what_a_reader_cannot_see_is_not_drawn(tmp_path):
    assert {t.id for t in Audit(run_of(tmp_path, ["kept", LEAK])).draw(9)} == {"t0"}


def test_a_larger_draw_goes_on_from_a_smaller_one(tmp_path):
    audit = Audit(run_of(tmp_path, ["kept"] * 9 + [WRONG] * 9 + [DOUBT] * 2))
    draws = [{t.id for t in audit.draw(n)} for n in (4, 8, 16)]
    assert draws[0] < draws[1] < draws[2]


def test_drawn_traces_carry_no_verdicts(tmp_path):
    assert all(not t.decisions for t in Audit(run_of(tmp_path, ["kept", WRONG])).draw(2))


def test_precision_counts_agreement_and_the_same_fault(tmp_path):
    audit = Audit(run_of(tmp_path, ["kept", "kept", WRONG, WRONG, WRONG, WRONG]))
    said = [("t0", Answer.GOOD), ("t1", Answer.LOOP), ("t2", Answer.WRONG), ("t3", Answer.DELAYED), ("t4", Answer.GOOD),
            ("t5", Answer.UNSURE)]  # fmt: skip
    audit.record(said)
    kept, wrong = audit.precision()
    assert (kept.filter, kept.read, kept.agreed, kept.same_fault) == ("kept", 2, 1, None)
    assert kept.share.low < kept.share.value == 0.5 < kept.share.high
    assert (wrong.filter, wrong.read, wrong.agreed, wrong.same_fault) == ("answer", 3, 2, 1)


def test_answers_survive_and_the_last_one_counts(tmp_path):
    run = run_of(tmp_path, ["kept"])
    Audit(run).record([("t0", Answer.WRONG)])
    Audit(run).record([("t0", Answer.GOOD)])
    assert Audit(run).answers() == {"t0": Answer.GOOD}


def test_an_unknown_trace_is_refused_and_nothing_is_written(tmp_path):
    audit = Audit(run_of(tmp_path, ["kept"]))
    with pytest.raises(TraceError, match="nobody"):
        audit.record([("t0", Answer.GOOD), ("nobody", Answer.GOOD)])
    assert audit.answers() == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"trace_id": "t0"}', "lacks 'answer'"),
        ('{"trace_id": "t0", "answer": "x"}', "unknown answer 'x'"),
        ("[]", "a:1"),
    ],
)
def test_a_bad_line_of_answers_is_named(tmp_path, line, message):
    (file := tmp_path / "a").write_text(line + "\n")
    with pytest.raises(TraceError, match=message):
        list(read_answers(file))


def test_answers_are_keys_or_words(tmp_path):
    (file := tmp_path / "a").write_text("".join(json.dumps({"trace_id": a, "answer": a}) + "\n" for a in ("g", "good")))
    assert [answer for _, answer in read_answers(file)] == [Answer.GOOD] * 2


def test_a_run_without_filtered_traces_is_refused(tmp_path):
    with pytest.raises(TraceError, match="no filtered traces"):
        Audit(tmp_path)


def test_keys_differ_and_every_visible_filter_exists():
    assert len({choice.key for choice in CHOICES} | {"q"}) == len(CHOICES) + 1
    assert {choice.answer for choice in CHOICES} == set(Answer)
    assert VISIBLE.keys() <= FILTERS.keys()
