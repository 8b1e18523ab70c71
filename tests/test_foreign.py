"""Rows of public sets, by the names that they use, become traces."""

import pytest

from cort_data.foreign import UNKNOWN_ANSWER, foreign_traces, is_foreign
from cort_data.json_lines import BadLine, Row
from cort_data.profiles import load_profile
from cort_data.trace import Kind, Origin

TIR = "We compute.\n```python\nprint(1)\n```\n```output\n1\n```\nIt is \\boxed{1}."
MENDED = TIR.replace("It is", "</think>\n\nIt is")


def made(**fields):
    return list(foreign_traces(Row("set.jsonl:7", fields), load_profile("r1_distill"), "set"))


ROWS = {
    "ours": {"id": "a", "problem": "One?", "completion": TIR, "gold_answer": 1, "source": "s", "model": "m"},
    "OpenMathReasoning": {
        "problem": "One?",
        "generated_solution": "<think>We compute.\n<tool_call>\nprint(1)\n</tool_call>\n```output\n1\n```\n</think>\n"
        "It is \\boxed{1}.",
        "expected_answer": "1",
        "problem_source": "s",
    },
    "NuminaMath-TIR": {
        "problem": "One?",
        "solution": TIR,
        "messages": [{"role": "user", "content": "One?"}, {"role": "assistant", "content": TIR}],
    },
    "ToRA": {"idx": 3, "question": "One?", "gt": "1", "code": [TIR]},
    "ShareGPT": {"conversations": [{"from": "human", "value": "One?"}, {"from": "gpt", "value": TIR}]},
    "calls": {
        "messages": [
            {"role": "system", "content": "You may run python."},
            {"role": "user", "content": "One?"},
            {
                "role": "assistant",
                "reasoning_content": "We compute.",
                "content": "",
                "tool_calls": [{"id": "c", "function": {"name": "run", "arguments": '{"code": "print(1)"}'}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "1"},
            {"role": "assistant", "content": "It is \\boxed{1}."},
        ],
        "answer": "1",
    },
}


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_public_sets(row):
    assert is_foreign(ROWS[row])
    (trace,) = made(**ROWS[row])
    assert trace.problem.text == "One?"
    assert [(s.kind, s.origin) for s in trace.segments] == [
        (Kind.TEXT, Origin.MODEL),
        (Kind.CODE, Origin.MODEL),
        (Kind.OUTPUT, Origin.INTERPRETER),
        (Kind.TEXT, Origin.MODEL),
    ]
    assert trace.text.split() == MENDED.split()
    assert (trace.stop_reason, trace.stage) == ("answered", "import")
    assert trace.prompt == load_profile("r1_distill").render("One?")


def test_names_answers_and_sources():
    (ours,) = made(**ROWS["ours"])
    assert (ours.id, ours.problem.id, ours.problem.answer, ours.problem.source, ours.engine) == (
        "a", "a", "1", "s", "import:m",
    )  # fmt: skip
    (tora,) = made(**ROWS["ToRA"])
    assert (tora.id, tora.problem.answer, tora.problem.source) == ("3", "1", "set")
    (numina,) = made(**ROWS["NuminaMath-TIR"])
    assert (numina.id, numina.problem.answer) == ("set-7", UNKNOWN_ANSWER)  # its solution is the trace itself


def test_several_samples_of_a_row_are_several_traces_of_one_problem():
    traces = made(id="a", problem_id="p", question="One?", code=[TIR, "No."])
    assert [(t.id, t.problem.id, t.stop_reason) for t in traces] == [
        ("a-0", "p", "answered"),
        ("a-1", "p", "no_answer"),
    ]


def test_outputs_that_the_row_calls_forged_are_the_models():
    (trace,) = made(id="a", problem="One?", completion=TIR + "\n```output\n5\n```", outputs="forged")
    assert {s.origin for s in trace.segments} == {Origin.MODEL}
    assert [e.count for e in trace.events if e.kind == "forged_output"] == [2]


def test_an_output_that_follows_nothing_is_forged():
    (trace,) = made(messages=[
        {"role": "user", "content": "One?"},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "\\boxed{1}"},
    ])  # fmt: skip
    assert trace.calls == 0
    assert {e.kind: e.count for e in trace.events} == {"orphan_output": 1, "forged_output": 1}


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"problem": "One?"}, "no_completion", "no completion; expected one of the fields completion, "),
        ({"problem": "One?", "completion": ["x"]}, "no_completion", r"completion: expected a text, got \['x'\]"),
        ({"problem": "One?", "completion": "a\ud800"}, "no_completion", "completion: expected a text"),
        ({"completion": "x"}, "no_problem", "no problem; expected one of the fields problem, question"),
        ({"problem": "", "completion": "x"}, "no_problem", "problem: expected a text, got ''"),
        ({"problem": "One?", "completion": "x", "id": {}}, "no_id", "id: expected a text, got {}"),
        ({"messages": "x"}, "bad_messages", "expected a list of objects"),
        ({"messages": [{"role": "user", "content": "One?"}]}, "no_completion", "the assistant says nothing"),
        ({"messages": [{"role": "elf", "content": "One?"}]}, "bad_messages", "message 1: unknown role 'elf'"),
    ],
)
def test_a_row_that_gives_no_trace_says_why(fields, kind, message):
    (bad,) = made(**fields)
    assert isinstance(bad, BadLine)
    assert (bad.where, bad.kind) == ("set.jsonl:7", kind)
    with pytest.raises(ValueError, match=message):
        raise ValueError(bad.problem)
