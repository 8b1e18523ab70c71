"""The words around the work: hints, turns to code, openings of manual work and re-checks, conclusions.

Each is put together from parts, so that a model meets thousands of sentences with one meaning and follows wordings
that it never saw. Hints come half from the hint files (even-indexed wordings alone: the odd ones are kept unseen for
the tables) and half from the parts below.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from cort_data.data import data_dir

NANO_HINTS = Path(__file__).parent / "hints"
FENCE = "```python\n"

Parts = tuple[tuple[str, ...], ...]

MANUAL: Parts = (
    ("Let me ", "I will ", "I'll ", "I can ", "Now I ", "So I ", "Next I "),
    ("compute", "calculate", "work out", "do", "evaluate", "find"),
    (" {what}", " this", " that", " the numbers"),
    (" by hand", " manually", " digit by digit", " step by step", " on paper"),
    (".", ":"),
)
RECHECK: Parts = (
    ("Wait, ", "Hmm, ", "Hold on, ", "Still, ", "But ", "To be safe, ", "Actually, ", ""),
    ("let me ", "I should ", "I want to ", "I'd better "),
    ("double-check ", "re-check ", "verify ", "recompute ", "check ", "recalculate "),
    ("that", "this number", "the output", "{what}", "this value"),
    (" by hand", " manually", " myself", " digit by digit"),
    (".", ":"),
)
TO_CODE: Parts = (
    ("Let me ", "I'll ", "I will ", "I can ", "Time to ", "It is best to "),
    ("write ", "run ", "use "),
    ("a short script", "some Python", "a few lines of code", "a little code", "Python"),
    (" for {what}", " for this", " here", ""),
    (".", ":"),
)
CONFIRM: Parts = (
    ("Let me ", "I'll ", "Now I ", "Finally, I "),
    ("confirm ", "check ", "verify ", "test "),
    ("this", "the result", "{what}", "my calculation"),
    (" with code", " in Python", " with a short script", " by running it"),
    (".", ":"),
)
READ_OFF: Parts = (
    ("So ", "This gives ", "The output says ", "Python gives ", "Then ", "We get ", "The run shows "),
    ("{what} = {value}.",),
)
CONFIRMED: Parts = (
    ("That matches", "This agrees", "Same value", "Confirmed", "Good"),
    (": ", ", "),
    ("{value}.", "it is {value}.", "{what} = {value}."),
)
CORRECTED: Parts = (
    ("The output differs from my {wrong}", "I had {wrong}, but the code says otherwise", "My {wrong} was a slip"),
    (": ", "; "),
    ("{what} = {value}.", "I take {value}.", "the right value is {value}."),
)
BELIEVED: Parts = (
    ("My own work gives {wrong}", "By hand it is {wrong}", "I get {wrong} myself"),
    (", ", "; "),
    ("so I go with {wrong}.", "I trust that more.", "the code must be off."),
)
HAND_DONE: Parts = (("So ", "Hence ", "Thus ", "That gives "), ("{what} = {value}.",))
ANSWER: Parts = (
    ("The answer is ", "Final answer: ", "So the answer is ", "Result: ", "Therefore "),
    ("\\boxed{{{value}}}.",),
)
REPAIR: Parts = (
    ("The block failed", "An error", "That did not run", "Oops", "The traceback shows a mistake"),
    (": ", "; "),
    ("{cause}.",),
    (" Corrected:", " I fix it:", " Here it is again:", " Once more:"),
)

OPEN_HINT: Parts = (
    ("I can ", "I will ", "Let me ", "Here I ", "For this I ", "I plan to "),
    ("use Python", "run code", "use the interpreter", "write small programs", "execute scripts", "rely on Python"),
    (" for the numbers", " for all computing", " step by step", " as I go", " for the arithmetic", ""),
    (".", ", several times if needed.", " and think in words in between.", "; that is safer than doing it myself."),
)
DELAYED_HINT: Parts = (
    ("This is tedious", "That is long by hand", "Doing this manually takes long", "Carrying digits is slow", "Stop"),
    (", ", "; ", ": "),
    ("Python can do it", "code does it at once", "let me run it instead", "a script is quicker", "I use the machine"),
    (".", " for this part.", " here."),
)
DISTRUST_HINT: Parts = (
    ("The output ", "This result ", "The computed value ", "What Python printed ", "That number "),
    ("is exact", "is right", "can be trusted", "needs no check", "stands", "is reliable"),
    (".", ", so I go on.", "; no recalculation.", ", I use it as it is.", " and I continue."),
)
ERROR_HINT: Parts = (
    ("The code failed", "This block has an error", "The run stopped", "There was an exception"),
    (", ", "; ", ": "),
    ("I repair it", "I read the traceback and fix it", "let me correct the line", "a small change is needed"),
    (".", " and run again."),
)
BY_HAND_HINT: Parts = (
    ("I do ", "I will do ", "Let me do ", "Here I do "),
    ("everything", "all of it", "the whole calculation", "each step"),
    (" by hand", " on paper", " manually", " without code", " without Python"),
    (".", ", carefully.", ", one digit after the other."),
)
HINTS = {
    "open": OPEN_HINT,
    "delayed_computation": DELAYED_HINT,
    "result_distrust": DISTRUST_HINT,
    "code_error": ERROR_HINT,
    "by_hand": BY_HAND_HINT,
}


def phrase(rng: random.Random, parts: Parts, **values: str) -> str:
    """One sentence put together from the parts, with the values filled in."""
    return "".join(rng.choice(options) for options in parts).format(**values)


def read_wordings(path: Path) -> tuple[str, ...]:
    """The wordings of a hint file in its first language, without variables, each ended by one line end."""
    body = path.read_text(encoding="utf-8").split("---\n", 2)[2]
    parts = (part.strip() for part in body.split("\n---\n"))
    return tuple(part + "\n" for part in parts if not part.startswith("{#"))  # a tag names another language


@cache
def seen_wordings(name: str) -> tuple[str, ...]:
    """The wordings of a hint that the corpus may contain: those with an even index."""
    folder = NANO_HINTS if name == "by_hand" else data_dir("hints")
    return read_wordings(folder / f"{name}.md")[::2]


def hint(rng: random.Random, name: str) -> str:
    """The text of a hint segment: a seen wording of its file, or one put together here."""
    if rng.random() < 0.5:
        return rng.choice(seen_wordings(name))
    text = phrase(rng, HINTS[name]) + "\n"
    return text + FENCE if name == "delayed_computation" else text
