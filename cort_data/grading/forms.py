r"""What an answer is: a number, a numeral in a base, words, a group of answers, an equation, a formula.

Reading an answer never fails: what is none of the known forms is `Prose`, which can be judged only by its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from cort_data.grading.numbers import read_number
from cort_data.grading.tex import clean, exact_decimals, from_keyboard, has_text, tighten, unwrap_text
from cort_data.grading.units import drop_counted, drop_units

_MAX_DEPTH = 8
"""Brackets within brackets that are read as groups; deeper ones are left to the algebra as they stand."""


@dataclass(frozen=True)
class Number:
    """A rational number."""

    value: Fraction


@dataclass(frozen=True)
class Based:
    """A numeral with its base written below it: 204_5."""

    digits: str
    base: int


@dataclass(frozen=True)
class Words:
    """A name, a choice, a property: compared as text, case and article apart."""

    text: str


@dataclass(frozen=True)
class Prose:
    """Words and numbers mixed, or no formula at all: no value to compare."""

    text: str


@dataclass(frozen=True)
class Formula:
    """Anything that only algebra can compare."""

    tex: str


@dataclass(frozen=True)
class Relation:
    """An equation (sign "=") or an inequality as a whole."""

    tex: str
    sign: str


@dataclass(frozen=True)
class Group:
    r"""Several answers. Brackets: "" a list, "{" a set, "(" and "[" ordered as a tuple, interval or ratio ":"."""

    opening: str
    items: tuple["Form", ...]
    closing: str
    tex: str = field(compare=False)


@dataclass(frozen=True)
class Assignment:
    r"""A symbol with its value: `x = 5`, `x \in [1, 2]`."""

    symbol: str
    value: "Form"
    tex: str = field(compare=False)


Form = Number | Based | Words | Prose | Formula | Relation | Group | Assignment

_TO_TWELVE = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: number for number, word in enumerate(_TO_TWELVE.split())}
_DIGITS = {**_NUMBER_WORDS, "sixteen": 16}
_BASED = re.compile(r"\(?([0-9A-Z]+)\)?\s*_\s*(?:\{\s*(\w+)\s*\}|(\d))")
_NAMED = re.compile(r"[^\W\d_][\w\s.,'’()/-]*|\([^\W\d_]\)")
_ARTICLE = re.compile(r"^(?:an?|the)\s+(?=\w{2})")
_COMMAND = re.compile(r"\\(?:begin|end)\{\w+\}|\\[a-zA-Z]+")
_SHORT_WORD = re.compile("[A-Z]|yes|no|odd|all|dne", re.IGNORECASE)  # else letters are variables
_LONG_WORD = re.compile(r"[^\W\d_]{4,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SYMBOL = r"\\?[a-zA-Z]+'?(?:_(?:\w|\{\w+\}))?(?:\([a-zA-Z](?:,\s*[a-zA-Z])*\))?"
_ASSIGNMENT = re.compile(rf"\s*({_SYMBOL})\s*(?:=|\\in(?![a-zA-Z]))(.*)", re.DOTALL)
_TUPLE = re.compile(r"\(\s*[a-zA-Z](?:\s*,\s*[a-zA-Z])+\s*\)\s*=\s*(\(.*\))", re.DOTALL)
_SUCH_THAT = re.compile(r"\\\{\s*[a-zA-Z]\s*(?:\\in\s*\\mathbb\s*\{?R\}?\s*)?(?::|\\mid|\|)(.*)\\\}", re.DOTALL)
_SIGN = re.compile(r"\\(?:le|ge|ne|lt|gt|equiv|approx)(?![a-zA-Z])|(?<![<>!])=|[<>]")
_TOKEN = re.compile(r"\\(?:[a-zA-Z]+|.)|.", re.DOTALL)
_DEGREES = re.compile(r"(\d+)\s*\\degree")  # inside a sine
_SEPARATOR = re.compile(r"[,;]|\b(?:and|or)\b")
_OPEN = {"(": ")", "[": "]", "{": "}", r"\{": r"\}"}
_CLOSE = frozenset(_OPEN.values())


@lru_cache(maxsize=4096)  # one gold answer meets many answers, and samples repeat themselves
def read(text: str, depth: int = 0) -> Form:
    """What the answer is."""
    plain = drop_units(clean(text))
    if (number := read_number(drop_counted(plain))) is not None:
        return Number(number)
    spelled = has_text(plain)
    plain = drop_units(unwrap_text(plain)) if spelled else from_keyboard(unwrap_text(plain))
    if spelled and (number := read_number(plain)) is not None:
        return Number(number)
    return _based(plain) or _compound(plain, depth) or _scalar(plain, spelled)


def _compound(plain: str, depth: int) -> Form | None:
    """A list, a bracketed group, an equation; None where the text is one value."""
    if depth >= _MAX_DEPTH:
        return None
    if (such_that := _SUCH_THAT.fullmatch(plain)) is not None:
        return read(such_that[1], depth + 1)
    parts = _split(plain)
    if len(parts) > 1:
        return _group("", parts, "", plain, depth)
    signs = _SIGN.findall(plain)
    if signs == ["="] and (named := _TUPLE.fullmatch(plain)) is not None:
        return _bracketed(named[1], depth)  # (x, y) = (3, 4)
    if (assignment := _assignment(plain, signs, depth)) is not None:
        return assignment
    if signs and not spelled_out(plain):
        return Relation(_tex(plain), "=" if signs == ["="] else "<")
    return _bracketed(plain, depth) or _ratio(plain, depth) or _plus_minus(plain, depth)


def _assignment(plain: str, signs: list[str], depth: int) -> Assignment | None:
    match = _ASSIGNMENT.fullmatch(plain)
    if match is None or (signs and signs != ["="]):
        return None
    symbol, value = match[1].replace(" ", ""), match[2].strip()
    variable = re.sub(r"\(.*", "", symbol)
    itself = re.search(rf"(?<![a-zA-Z\\]){re.escape(variable)}(?![a-zA-Z])", value)
    if not value or (itself is not None and "(" not in symbol):
        return None  # x = x^2 is an equation, not a value
    return Assignment(symbol, read(value, depth + 1), _tex(plain))


def _bracketed(plain: str, depth: int) -> Form | None:
    opening = next((mark for mark in (r"\{", "(", "[") if plain.startswith(mark)), None)
    if opening is None or plain[-1] not in ")]}":
        return None
    closing = r"\}" if plain.endswith(r"\}") else plain[-1]
    if not _encloses(plain, len(opening), len(closing)):
        return None
    inner = plain[len(opening) : -len(closing)]
    parts = _split(inner)
    if opening == r"\{":
        return _group("{", parts, "}", plain, depth)
    if len(parts) > 1:
        return _group(opening, parts, closing, plain, depth)
    choice = re.fullmatch(r"\s*([A-Za-z])\s*", inner)
    if opening == "(" and closing == ")":
        return Words(choice[1].casefold()) if choice else read(inner, depth + 1)
    return None


def _ratio(plain: str, depth: int) -> Form | None:
    parts = re.split(r":|\\colon", plain)
    if len(parts) < 2 or not all(part.strip() for part in parts):
        return None
    return _group(":", parts, ":", plain, depth)


def _plus_minus(plain: str, depth: int) -> Form | None:
    r"""`1 \pm \sqrt{2}` is a list of two."""
    if not re.search(r"\\pm(?![a-zA-Z])", plain):
        return None
    return _group("", [plain], "", plain, depth)


def _group(opening: str, parts: list[str], closing: str, plain: str, depth: int) -> Group:
    members = [sign for part in parts for sign in _both_signs(part)] if opening in ("", "{") else parts
    items = tuple(read(member, depth + 1) for member in members)
    return Group(opening, items, closing, _tex(plain))


def _both_signs(part: str) -> Iterator[str]:
    if re.search(r"\\pm(?![a-zA-Z])", part) is None:
        yield part
        return
    for plus, minus in (("+", "-"), ("-", "+")):
        signed = re.sub(r"\\mp(?![a-zA-Z])", minus, re.sub(r"\\pm(?![a-zA-Z])", plus, part))
        yield re.sub(r"^\s*\+|(=)\s*\+", r"\1", signed)


def _scalar(plain: str, spelled: bool) -> Form:
    if not plain:
        return Prose("")
    named = spelled or spelled_out(plain) or (_SHORT_WORD.fullmatch(plain) and not plain.islower())
    if named and _NAMED.fullmatch(plain) and not any(char.isdigit() for char in plain):
        return _words(plain)
    if spelled or spelled_out(plain) or re.search(r"\d\s+\d", plain) or not balanced(plain):
        return Prose(plain.casefold())
    return Formula(_tex(plain))


def _words(plain: str) -> Form:
    text = _ARTICLE.sub("", " ".join(plain.casefold().split()).strip("().,'’ "))
    return Number(Fraction(_NUMBER_WORDS[text])) if text in _NUMBER_WORDS else Words(text)


def _based(plain: str) -> Based | None:
    match = _BASED.fullmatch(plain)
    if match is None or not any(char.isdigit() for char in match[1]):
        return None
    base = match[2] or match[3]
    value = int(base) if base.isdecimal() and len(base) < 3 else _DIGITS.get(base.casefold())
    return None if value is None else Based(match[1].lstrip("0") or "0", value)


def spelled_out(plain: str) -> bool:
    """Whether words stand in the text that are neither TeX commands nor products of variables."""
    return _LONG_WORD.search(_COMMAND.sub(" ", plain)) is not None


def balanced(plain: str) -> bool:
    """Whether every TeX group that is opened is closed; a parser may take long to find out."""
    return plain.count("{") - plain.count(r"\{") == plain.count("}") - plain.count(r"\}")


def _tex(plain: str) -> str:
    tex = exact_decimals(tighten(_DEGREES.sub(r"(\\frac{\1\\pi}{180})", plain)))
    return re.sub(r"(.+)%$", r"\\frac{\1}{100}", tex)


def _split(plain: str) -> list[str]:
    """The parts between commas, semicolons, "and", "or" that stand outside all brackets."""
    depths = _depths(plain)
    outside = [match for match in _SEPARATOR.finditer(plain) if depths[match.start()] == 0]
    starts = [0, *(match.end() for match in outside)]
    ends = [*(match.start() for match in outside), len(plain)]
    return [part for start, end in zip(starts, ends, strict=True) if (part := plain[start:end]).strip()]


def _depths(plain: str) -> list[int]:
    """For each character, how many brackets are open before it."""
    depths: list[int] = []
    depth = 0
    for token in _TOKEN.finditer(plain):
        depths += [depth] * len(token[0])
        if token[0] in _OPEN or token[0] == r"\begin":
            depth += 1
        elif token[0] in _CLOSE or token[0] == r"\end":
            depth = max(0, depth - 1)
    return depths


def _encloses(plain: str, opening: int, closing: int) -> bool:
    """Whether the first bracket is closed by the last one."""
    depths = _depths(plain)
    return min(depths[opening : len(plain) - closing], default=1) >= 1 and depths[-closing] == 1
