"""Tiny traces, and an interpreter in this process, for tests."""

import asyncio
import random

from cort_data.grading import extract_answer
from cort_data.interpreter import Result, Status
from cort_data.interpreter.cell import new_namespace, run_cell
from cort_data.trace import Problem, Trace, segments_of

GOOD = """\
The product of both sides is the area, and the area is what is asked.
```python
area = 347 * 86
print(area)
```
```output
29842
```
So the area is found.
</think>
The area is \\boxed{29842}."""


def make_trace(completion=GOOD, *, id="t1", problem="What is the area of a 347 by 86 field?", answer="29842", **fields):
    """A trace of the model from its text, with a token count of one a word."""
    segments, events = segments_of(completion)
    counted = tuple(s.model_copy(update={"tokens": len(s.text.split())}) for s in segments)
    answered = "answered" if extract_answer(completion, "</think>") is not None else "no_answer"
    values = {"segments": counted, "events": events, "stop_reason": answered, "prompt": f"{problem}\n<think>\n"}
    return Trace(id=id, problem=Problem(id=f"p-{id}", text=problem, answer=answer), **(values | fields))


def block(code, output):
    """A python block and what answered it."""
    return f"```python\n{code}\n```\n```output\n{output}\n```\n"


def completion(*parts, answer="29842"):
    """Parts of the thinking, closed and answered."""
    return "".join(parts) + f"</think>\nIt is \\boxed{{{answer}}}."


class InProcess:
    """The interpreter's contract without its processes."""

    def __init__(self):
        self.sessions = 0
        self.live = 0
        self.most_live = 0

    async def session(self, seed):
        self.sessions += 1
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        return _Session(self, seed)

    async def close(self):
        pass


class _Session:
    def __init__(self, interpreter, seed):
        self.interpreter = interpreter
        self.namespace = new_namespace()
        self.cells = 0
        random.seed(seed)

    async def run(self, code):
        await asyncio.sleep(0)
        self.cells += 1
        cell = run_cell(code, self.namespace, self.cells)
        return Result(Status.ERROR if cell.error else Status.OK, cell.text, cell.error, 0.0)

    async def close(self):
        self.interpreter.live -= 1
