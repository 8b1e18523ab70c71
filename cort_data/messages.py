"""Steps as chat messages with tool calls, in OpenAI's form with DeepSeek's `reasoning_content`, and back.

A turn of the assistant is a thought (`reasoning_content`), words beside it (`content`) and calls of a python tool;
each output is a message of the role `tool`. Notices are system messages. What is said beside a call is thought; the
words of the last turn are the answer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cort_data.dialects import program_of
from cort_data.errors import TraceError
from cort_data.steps import Step, StepKind, answer, notice, output, program, thought

Message = dict[str, Any]

ASKING = ("user", "human")
ANSWERING = ("assistant", "gpt", "model")
TOOLS = ("tool", "function", "ipython", "observation", "tool_response")
_INSTRUCTING = ("system", "developer")
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")


def to_messages(problem: str, steps: Sequence[Step]) -> list[Message]:
    """The conversation: the question, then turns of the assistant with calls and outputs."""
    messages: list[Message] = [{"role": "user", "content": problem}]
    for step in steps:
        if step.kind is StepKind.OUTPUT:
            call = _last_call(messages)
            messages.append({"role": "tool", "tool_call_id": call, "content": step.text})
        elif step.kind is StepKind.NOTICE:
            messages.append({"role": "system", "content": step.text})
        else:
            _say(messages, step)
    if steps and steps[-1].kind is StepKind.THOUGHT:
        messages[-1]["content"] = None  # stopped while thinking: nothing was said, not even nothing
    return messages


def from_messages(messages: Sequence[Mapping[str, Any]]) -> tuple[str, list[Step], Counter[str]]:
    """The question, the steps, and what was odd: `several_outputs`, `orphan_output`.

    A call of several in one turn is followed by its own outputs. Raises TraceError for what is no such conversation:
    several questions, tools that take no program, contents that are no text.
    """
    reader = _Reader()
    for number, message in enumerate(messages, start=1):
        try:
            reader.take(message)
        except TraceError as error:
            raise TraceError(f"message {number}: {error}") from None
    return reader.question, reader.steps(), reader.found


class _Reader:
    def __init__(self) -> None:
        self.question = ""
        self.found: Counter[str] = Counter()
        self._done: list[Step] = []
        self._calls: dict[str, int] = {}  # id of a call → index of its step
        self._last: tuple[str, str | None] | None = None  # thought and words of the last turn, if it called nothing

    def take(self, message: Mapping[str, Any]) -> None:
        """The next message."""
        role = str(message.get("role") or message.get("from") or "")
        text = _text(message.get("content", message.get("value")))
        if role in ASKING:
            if self._done or self._last is not None:
                raise TraceError("a second question; a trace answers one")
            self.question = f"{self.question}\n\n{text}".strip()
        elif role in _INSTRUCTING:
            self._instruction(text)
        elif role in ANSWERING:
            self._turn(message, text)
        elif role in TOOLS:
            self._output(str(message.get("tool_call_id") or ""), text)
        else:
            raise TraceError(f"unknown role {role!r}; expected one of user, assistant, tool, system")

    def steps(self) -> list[Step]:
        """All steps; the words of the last turn are the answer."""
        thoughts, words = self._last or ("", None)
        ending = [thought(thoughts)] if thoughts.strip() else []
        return _joined([*self._done, *ending, *([answer(words)] if words is not None else [])])

    def _instruction(self, text: str) -> None:
        if self._done:
            self._close_turn()
            self._done.append(notice(text))

    def _turn(self, message: Mapping[str, Any], text: str) -> None:
        self._close_turn()
        thoughts = next((_text(message[key]) for key in _THOUGHT_KEYS if message.get(key)), "")
        if not thoughts and "</think>" in text:  # a server that does not take the thinking out of the words
            thoughts, _, text = text.replace("<think>", "").partition("</think>")
        calls = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
        if not calls:
            said = message.get("content", message.get("value")) is not None
            self._last = (thoughts, text if said else None)
            return
        self._done += [thought(part) for part in (thoughts, text) if part.strip()]
        for call in calls:
            self._calls[str(call.get("id") or "")] = len(self._done)
            self._done.append(program(_program(call)))

    def _close_turn(self) -> None:
        """A turn that another one follows was thinking aloud."""
        self._done += [thought(part) for part in self._last or () if part and part.strip()]
        self._last = None

    def _output(self, call: str, text: str) -> None:
        self._close_turn()
        codes = [i for i, step in enumerate(self._done) if step.kind is StepKind.CODE]
        waiting = [i for i in codes if self._answer_of(i) is None]
        index = self._calls.get(call, waiting[0] if waiting else codes[-1] if codes else None) if codes else None
        if index is None:
            self.found["orphan_output"] += 1
            self._done.append(output(text))
        elif (old := self._answer_of(index)) is not None:
            self.found["several_outputs"] += 1
            self._done[index + 1] = output(f"{old.text}\n{text}")
        else:
            self._done.insert(index + 1, output(text))
            self._calls = {name: at + (at > index) for name, at in self._calls.items()}

    def _answer_of(self, index: int) -> Step | None:
        following = self._done[index + 1] if index + 1 < len(self._done) else None
        return following if following is not None and following.kind is StepKind.OUTPUT else None


def _joined(steps: Sequence[Step]) -> list[Step]:
    """Thoughts that follow each other as one."""
    joined: list[Step] = []
    for step in steps:
        if joined and step.kind is StepKind.THOUGHT and joined[-1].kind is StepKind.THOUGHT:
            joined[-1] = thought(f"{joined[-1].text}\n\n{step.text}")
        else:
            joined.append(step)
    return joined


def _say(messages: list[Message], step: Step) -> None:
    """Add a step to the assistant's turn; one that has called something is over."""
    if messages[-1]["role"] != "assistant" or "tool_calls" in messages[-1]:
        messages.append({"role": "assistant", "reasoning_content": "", "content": ""})
    turn = messages[-1]
    if step.kind is StepKind.CODE:
        number = sum(len(message.get("tool_calls", ())) for message in messages)
        arguments = json.dumps({"code": step.text}, ensure_ascii=False)
        function = {"name": "python", "arguments": arguments}
        turn["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
    else:
        turn["reasoning_content" if step.kind is StepKind.THOUGHT else "content"] = step.text


def _last_call(messages: Sequence[Message]) -> str:
    return next(str(m["tool_calls"][-1]["id"]) for m in reversed(messages) if "tool_calls" in m)


def _program(call: Mapping[str, Any]) -> str:
    function = call.get("function", call)
    name = str(function.get("name") or "?") if isinstance(function, Mapping) else "?"
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    code = program_of(arguments) if isinstance(arguments, str | dict) else None
    if code is None:
        raise TraceError(f"a call of {name!r}, which takes no program; only python tools can be run again")
    return code


def _text(content: object) -> str:
    """A content: a text, nothing, or a list of parts of which the texts count."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        return "".join(str(part.get("text") or "") for part in content)
    raise TraceError(f"the content must be a text or a list of parts, got {type(content).__name__}")
