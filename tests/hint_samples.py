"""Hint files and texts that several tests use."""

from cort_data.hints.scan import firings
from cort_data.hints.view import View
from cort_data.trace import Kind, Origin, Problem, Segment

PROBLEM = Problem(id="p", text="What is 347 * 86?", answer="29842")

BY_HAND = """\
We need 347 * 86.
Let me compute this by hand.
347*6: 7*6=42, write 2 carry 4; 4*6+4=28, write 8 carry 2; 3*6+2=20. So 347*6=2082.
347*8: 7*8=56, write 6 carry 5; 4*8+5=37, write 7 carry 3; 3*8+3=27. So 347*8=2776.
So 347*86=29842.
That is the product of both, and the rest of the problem is about it.
"""
WORK = BY_HAND.index("Let me")

OUTPUT = "\n```output\n29842\n```\n"
CODE = "```python\nprint(347 * 86)\n```"


def hint_file(folder, name="tedious", body="Python does this.\n", **header):
    """Write a hint file; header values replace or, if None, drop the usual ones."""
    usual = {"name": name, "trigger": "{name: manual_arithmetic}", "place": "at_span_start", "max_uses": 2}
    lines = [f"{key}: {value}" for key, value in (usual | header).items() if value is not None]
    path = folder / f"{name}.md"
    path.write_text("\n".join(["---", *lines, "---", body]), encoding="utf-8")
    return path


def view_of(*pieces, calls=5):
    """A view that has been fed these (kind, origin, text)."""
    view = View(calls)
    for kind, origin, text in pieces:
        view.append(kind, origin, text)
    return view


def ran(output=OUTPUT, code=CODE):
    """The pieces of a block and what answered it."""
    return [(Kind.CODE, Origin.MODEL, code), (Kind.OUTPUT, Origin.INTERPRETER, output)]


def said(text):
    """The piece of a model's text."""
    return Kind.TEXT, Origin.MODEL, text


def first_firing(trigger, *pieces):
    """The first detection of a trigger (an object) over these pieces, or None."""
    segments = [Segment(kind=kind, origin=origin, text=text) for kind, origin, text in pieces]
    return next(firings(segments, trigger), None)
