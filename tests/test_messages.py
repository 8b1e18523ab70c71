"""Chats with tool calls are steps, in OpenAI's form and in the variants of public sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import TraceError
from cort_data.messages import from_messages, to_messages
from cort_data.steps import answer, notice, output, program, thought

CALL = {"id": "c1", "type": "function", "function": {"name": "python", "arguments": '{"code": "print(1)"}'}}
ASKED = {"role": "user", "content": "How many?"}


def shape(steps):
    return [(step.kind.value, step.text) for step in steps]


def read(*messages):
    question, steps, odd = from_messages([ASKED, *messages])
    assert question == "How many?"
    return shape(steps), dict(odd)


def test_thoughts_calls_outputs_and_the_answer():
    assert read(
        {"role": "assistant", "reasoning_content": "Let me see.", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "assistant", "reasoning_content": "One.", "content": "It is \\boxed{1}."},
    ) == (
        [("thought", "Let me see."), ("code", "print(1)"), ("output", "1"), ("thought", "One."),
         ("answer", "It is \\boxed{1}.")],
        {},
    )  # fmt: skip


def test_words_beside_a_call_are_thought_and_the_last_words_the_answer():
    steps, _ = read(
        {"role": "assistant", "content": "I compute.", "tool_calls": [CALL]},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "It is 1."},
    )
    assert steps == [("thought", "I compute."), ("code", "print(1)"), ("output", "1"), ("answer", "It is 1.")]


def test_calls_of_one_turn_get_their_own_outputs():
    second = CALL | {"id": "c2", "function": {"name": "python", "arguments": {"code": "print(2)"}}}
    steps, _ = read(
        {"role": "assistant", "content": "", "tool_calls": [CALL, second]},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    )
    assert steps == [("code", "print(1)"), ("output", "1"), ("code", "print(2)"), ("output", "2")]


def test_several_outputs_and_outputs_of_nothing_are_counted():
    steps, odd = read(
        {"role": "tool", "content": "0"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    )
    assert steps == [("output", "0"), ("code", "print(1)"), ("output", "1\n2")]
    assert odd == {"orphan_output": 1, "several_outputs": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "<think>Hm.</think>It is 1."},
        {"role": "assistant", "content": "Hm.</think>It is 1."},
        {"from": "gpt", "value": "<think>Hm.</think>It is 1."},
        {"role": "assistant", "reasoning": "Hm.", "content": [{"type": "text", "text": "It is 1."}]},
    ],
)
def test_thinking_is_found_where_servers_put_it(message):
    assert read(message)[0] == [("thought", "Hm."), ("answer", "It is 1.")]


def test_a_turn_without_words_has_no_answer():
    assert read({"role": "assistant", "reasoning_content": "Hm", "content": None})[0] == [("thought", "Hm")]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"role": "assistant", "content": "1"}, {"role": "user", "content": "And?"}], "message 3: a second question"),
        ([{"role": "robot", "content": ""}], "message 2: unknown role 'robot'"),
        ([{"role": "assistant", "content": 5}], "must be a text or a list of parts, got int"),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "search", "arguments": '{"url": "x"}'}}]}],
            "a call of 'search', which takes no program",
        ),
    ],
)
def test_what_is_no_such_conversation_is_refused(messages, complaint):
    with pytest.raises(TraceError, match=complaint):
        from_messages([ASKED, *messages])


TEXT = st.text(min_size=1).filter(lambda text: text.strip() and "</think>" not in text)
TURN = st.tuples(TEXT, st.text(), st.none() | st.text(), st.none() | TEXT)


@given(st.lists(TURN, max_size=4), st.none() | st.tuples(TEXT, st.text().filter(lambda t: "</think>" not in t)))
def test_messages_give_the_steps_back(turns, ending):
    steps = []
    for words, code, printed, told in turns:
        steps += [thought(words), program(code)]
        steps += [output(printed)] if printed is not None else []
        steps += [notice(told)] if told is not None else []
    steps += [] if ending is None else [thought(ending[0]), answer(ending[1])]
    question, read_again, odd = from_messages(to_messages("Why?", steps))
    assert (question, shape(read_again), dict(odd)) == ("Why?", shape(steps), {})


def test_a_conversation_of_our_own_names_calls_and_their_outputs():
    steps = [thought("A"), program("x"), output("1"), program("y"), output("2"), answer("B")]
    messages = to_messages("Why?", steps)
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert [m["tool_call_id"] for m in messages if m["role"] == "tool"] == ["call_0", "call_1"]
    assert messages[1]["tool_calls"][0]["function"] == {"name": "python", "arguments": '{"code": "x"}'}
