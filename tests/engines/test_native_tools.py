"""Whole turns become text with blocks, and text with blocks becomes messages again."""

from __future__ import annotations

import json

import pytest

from cort_data.engines.base import Turn
from cort_data.engines.native_tools import _Said, as_messages, program_of, tamed
from cort_data.errors import ContextError
from cort_data.fences import PieceKind, code_of, parse
from cort_data.trace import Kind, feedback

JOINT = "\n</think>\n\n"


def said(thought="", text="", code=None, finish="stop"):
    turn = _Said()
    turn.thought, turn.text, turn.finish = thought, text, finish
    turn.call = json.dumps({"code": code}) if code is not None else ""
    return turn.chunk(JOINT)


def messages(completion, field=None, lead=0):
    return list(as_messages(Turn("What is 6 * 7?", "<think>\n", completion, lead), field))


def test_a_call_is_a_block_and_an_answer_closes_the_thinking():
    assert said("Let me see.", code="print(6 * 7)").text == "Let me see.\n```python\nprint(6 * 7)\n```"
    assert said("So.", "It is 42.").text == "So.\n</think>\n\nIt is 42."


@pytest.mark.parametrize("code", ["print('```')", "s = '''\n```python\n1\n```\n'''", "x = 1\n\n"])
def test_any_program_is_one_block(code):
    (block,) = parse(said(code=code).text.lstrip())
    assert (block.kind, block.closed, code_of(block.text)) == (PieceKind.CODE, True, code)


@pytest.mark.parametrize("fence", ["```python", "~~~ py", "````{.python}", "so:```output", "```notice", "```Python3"])
def test_fences_in_prose_neither_run_nor_pass_for_output(fence):
    prose = f"I might write\n{fence}\nprint(1)\n```\nlater."
    assert [piece.kind for piece in parse(tamed(prose))] == [PieceKind.TEXT]
    assert sum(piece.forged for piece in parse(tamed(prose))) == 0
    assert tamed(prose).replace("text:", "") == prose


@pytest.mark.parametrize("field", [None, "reasoning_content"])
def test_blocks_and_outputs_go_back_as_calls_and_tool_messages(field):
    written = said("Let me see.", code="print(6 * 7)").text + feedback(Kind.OUTPUT, "42")
    written += said("Once more.", code="1 / 0").text + feedback(Kind.NOTICE, "No calls are left.")
    user, first, printed, second, notice = messages("Use python.\n" + written, field, lead=len("Use python.\n"))
    assert user == {"role": "user", "content": "What is 6 * 7?\n\nUse python."}
    assert first[field or "content"] == "Let me see."
    assert json.loads(first["tool_calls"][0]["function"]["arguments"]) == {"code": "print(6 * 7)"}
    assert (printed["role"], printed["content"]) == ("tool", "42")
    assert printed["tool_call_id"] == first["tool_calls"][0]["id"] != second["tool_calls"][0]["id"]
    assert notice["content"] == "No calls are left."


def test_a_turn_that_was_cut_short_cannot_go_on():
    assert said("half a", finish="length").finish == "length"
    with pytest.raises(ContextError):
        messages("half a")


@pytest.mark.parametrize(
    ("arguments", "program"), [('{"code": "1"}', "1"), ('"1"', "1"), ("print(1)", "print(1)"), ('{"x": 1}', '{"x": 1}')]
)
def test_the_program_of_a_call(arguments, program):
    assert program_of(arguments) == program
