r"""What an answer is, read by the second rule: a value, words, a numeral in a base, a group, an equation.

The conventions of the contract are read in here once more, on their own: units, degrees and currency do not count,
`10%` is 1/10, `x = 5` is 5, an inequality in one variable is an interval.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from cort_data.grading.numeric.values import UnreadableError

_MAX_CHARS = 1000
_MAX_ITEMS = 40
_MAX_DEPTH = 5

_SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"[−–]", "-"),
    (r"π", r"\\pi "),
    (r"√\s*(\d+)", r"\\sqrt{\1}"),
    (r"×|·|(?<!\*)\*(?!\*)", r"\\cdot "),
    (r"\*\*", "^"),
    (r"(?<=\d)[eE]([-+]?\d{1,3})(?!\d)", r"\\cdot 10^{\1}"),
    (r"^\s*\\(?:text(?:bf|it|rm)?|math(?:bf|rm|it))\s*\{([^{}]*\d[^{}]*)\}\s*$", r"\1"),
    (r"°|\\degrees?(?![a-zA-Z])", r"^\\circ "),
    (r"(?<=[\d)}])\s*(?:degrees?)\s*$", ""),
    (r"∞|\\infin(?![a-zA-Z])", r"\\infty "),
    (r"∪", r"\\cup "),
    (r"≤|\\leqslant|\\leq(?![a-zA-Z])|<=", r"\\le "),
    (r"≥|\\geqslant|\\geq(?![a-zA-Z])|>=", r"\\ge "),
    (r"\\lt(?![a-zA-Z])", "<"),
    (r"\\gt(?![a-zA-Z])", ">"),
    (r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?", ""),
    (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
    (r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
    (r"(?<!\\)\\[()\[\]]|\\?\$|[€£]", " "),
    (r"(?<=\d)(?:\\,|\\!|,\\!|\{,\})+(?=\d{3}(?!\d))", ""),
    (r"(?<!\\)\\[,;:! ]|\\q?quad(?![a-zA-Z])|~", " "),
    (r"\\approx(?![a-zA-Z])", " "),
    (r"\\(?:lbrace)(?![a-zA-Z])", r"\\{"),
    (r"\\(?:rbrace)(?![a-zA-Z])", r"\\}"),
    (r"\\(?:vert|mid)(?![a-zA-Z])|\\\|", "|"),
    (r"\\(?:varnothing|emptyset)(?![a-zA-Z])|∅", r"\\{\\}"),
    (r"\{([^{}]*)\\over([^{}]*)\}", r"\\frac{\1}{\2}"),
    (r"(?<![\\a-zA-Z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
    (r"(?<![\\a-zA-Z])(?:infinity|infty|inf|oo)(?![a-zA-Z])", r"\\infty "),
    (r"(?<![\\a-zA-Z])(sin|cos|tan|cot|sec|csc|ln|log|pi)(?=[\s(\d\\/)^]|$)", r"\\\1 "),
    (r"\\%", "%"),
)
_COMPILED = tuple((re.compile(pattern), to) for pattern, to in _SPELLINGS)
_BOX = re.compile(r"\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*", re.DOTALL)
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mbox|mathrm|mathbf|mathit)\s*\{([^{}]*)\}")
_TO_TEN = "zero one two three four five six seven eight nine ten"
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_TO_TEN.split())}
_BASES = {word: int(number) for word, number in _NUMBER_WORDS.items()}
_UNITS = (
    "mm cm km m ft in inch inches foot feet yard yards mile miles mi meter meters metre metres centimeter centimeters "
    "centimetre centimetres kilometer kilometers square sq cubic unit units cu g gram grams kg kilogram kilograms lb "
    "lbs pound pounds oz ounce ounces ton tons l ml liter liters litre litres gallon gallons s sec second seconds min "
    "minute minutes h hr hrs hour hours day days week weeks month months year years mph kph per degree degrees "
    "radian radians dollar dollars cent cents euro euros usd points point"
)
_UNIT_WORDS = frozenset(_UNITS.split())
_SCALING = "hundred thousand million billion dozen score half double twice percent"
_MAGNITUDES = frozenset(_SCALING.split())
_BASED = re.compile(r"\(?\s*([0-9A-F]*[0-9][0-9A-F]*)\s*\)?\s*_\s*(?:\{\s*(\w+)\s*\}|(\d))")
_ARTICLE = re.compile(r"^(?:an?|the)\s+(?=\w\w)")
_COMPARISON = re.compile(r"\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\in(?![a-zA-Z])|\\ne(?![a-zA-Z])|[<>=]")
_SYMBOL = re.compile(r"\s*(\\?[a-zA-Z]+'?(?:_(?:\w|\{\w+\}))?)\s*(?:\([a-zA-Z](?:\s*,\s*[a-zA-Z])*\))?\s*")
_SET_BUILDER = re.compile(r"\\\{\s*[a-zA-Z]\s*(?:\\in\s*\\mathbb\s*\{?\s*R\s*\}?\s*)?[:|](.*)\\\}", re.DOTALL)
_MATRIX = re.compile(r"\s*\\begin\{([pbvB]?matrix)\}(.*)\\end\{\1\}\s*", re.DOTALL)
_THOUSANDS = re.compile(r"\s*[-+]?\s*\d{1,3}(?:,\d{3})+(?:\.\d+)?\s*%?\s*")
_BREAK = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)
_OPENING = frozenset({"(", "[", "{", r"\{", r"\lfloor", r"\lceil"})
_ENDING = frozenset({")", "]", "}", r"\}", r"\rfloor", r"\rceil"})


@dataclass(frozen=True)
class Scalar:
    """One value: a formula, divided by 100 if it is in percent."""

    formula: str
    percent: bool = False


@dataclass(frozen=True)
class Words:
    """A name, a choice, a property."""

    text: str


@dataclass(frozen=True)
class Based:
    """A numeral with its base."""

    digits: str
    base: int


@dataclass(frozen=True)
class Group:
    """Several answers: brackets `""` for a list or set, else the brackets of a tuple or interval, `":"` of a ratio."""

    opening: str
    items: tuple[Answer, ...]
    closing: str

    @property
    def ordered(self) -> bool:
        """Does the order count?"""
        return self.opening != ""


@dataclass(frozen=True)
class Union:
    """A union of intervals and sets."""

    parts: tuple[Answer, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True)
class Named:
    """A symbol with its value."""

    symbol: str
    value: Answer


@dataclass(frozen=True)
class Equation:
    """Two formulas that are equal."""

    left: str
    right: str


Answer = Scalar | Words | Based | Group | Union | Matrix | Named | Equation


@lru_cache(maxsize=4096)
def read(text: str) -> Answer | None:
    """What the answer is; None where this rule cannot say."""
    if len(text) > _MAX_CHARS:
        return None
    try:
        return _read(_spelled(text), 0)
    except UnreadableError:
        return None


def _spelled(text: str) -> str:
    while (box := _BOX.fullmatch(text)) is not None:
        text = box[1]
    for pattern, to in _COMPILED:
        text = pattern.sub(to, text)
    return text.strip().rstrip(".").strip()


def _read(text: str, depth: int) -> Answer:
    text = text.strip()
    if depth > _MAX_DEPTH or not text:
        raise UnreadableError("nested too deeply, or nothing")
    if (words := _words(text)) is not None:
        return words
    if (builder := _SET_BUILDER.fullmatch(text)) is not None:
        text = builder[1].strip()
    text = _without_units(text)
    if (based := _based(text)) is not None:
        return based
    if _THOUSANDS.fullmatch(text):
        return _scalar(text)
    matrix = _MATRIX.fullmatch(text)
    if matrix is not None and r"\begin" not in matrix[2]:
        return _matrix(matrix[2], depth)
    return _list(text, depth) or _relation(text, depth) or _brackets(text, depth) or _one(text, depth)


def _words(text: str) -> Answer | None:
    plain = " ".join(_TEXT.sub(r" \1 ", text).split()).strip("().,' ").strip()
    if not plain or re.search(r"[\d\\=<>^_{}]", plain):
        return None
    spelled = _TEXT.search(text) is not None
    low = plain.casefold()
    if low in _NUMBER_WORDS and spelled:
        return Scalar(_NUMBER_WORDS[low])
    if re.search(r"[^\w\s'-]", plain) or not re.search(r"[^\W\d_]", plain):
        return None
    if (
        not spelled
        and not re.search(r"[^\W\d_]{4,}", plain)
        and not re.fullmatch("[A-Z]|yes|no|odd|all|dne", plain, re.I)
    ):
        return None
    if not spelled and re.fullmatch("[a-z]", plain) and not text.startswith("("):
        return None
    return Words(_ARTICLE.sub("", low))


def _without_units(text: str) -> str:
    """Without trailing unit words; raises for words that change the value or that nobody knows."""
    found = re.search(r"((?:\\(?:text(?:rm|bf|it)?|mbox|mathrm)\s*\{[^{}]*\}\s*(?:\^\s*\{?\s*\d\s*\}?)?\s*)+)$", text)
    if found is not None and found.start() > 0:
        inside = " ".join(_TEXT.findall(found[1])).casefold()
        words = re.findall(r"[a-z]+", inside)
        if any(word in _MAGNITUDES for word in words):
            if words == ["percent"]:
                return text[: found.start()].strip() + "%"
            raise UnreadableError("a word that changes the number")
        if words and not re.search(r"\b(?:and|or|if|base|mod|to)\b", inside):
            return text[: found.start()].strip()
    plain = re.search(r"(?<=[\d)}\s])\s*([a-zA-Z]+(?:[\s/]+[a-zA-Z]+)*)\s*(?:\^\s*\{?\s*[23]\s*\}?)?$", text)
    if plain is not None:
        words = re.findall(r"[a-z]+", plain[1].casefold())
        if words in (["percent"], ["per", "cent"]):
            return text[: plain.start()].strip() + "%"
        long = [word for word in words if len(word) > 1]
        if long and all(word in _UNIT_WORDS for word in words):
            return text[: plain.start()].strip()
    return text


def _based(text: str) -> Based | None:
    match = _BASED.fullmatch(_TEXT.sub(r"\1", text).strip())
    if match is None:
        return None
    name = (match[2] or match[3]).casefold()
    base = int(name) if name.isdecimal() else _BASES.get(name)
    return None if base is None else Based(match[1].lstrip("0") or "0", base)


def _scalar(text: str) -> Scalar:
    percent = text.rstrip().endswith("%")
    formula = text.rstrip().removesuffix("%").strip()
    if not formula or "%" in formula or _TEXT.search(formula):
        raise UnreadableError("no formula")
    return Scalar(formula, percent)


def _matrix(body: str, depth: int) -> Matrix:
    lines = [line for line in re.split(r"\\\\", body) if line.strip()]
    rows = tuple(tuple(_read(cell, depth + 1) for cell in line.split("&")) for line in lines)
    if len({len(row) for row in rows}) != 1:
        raise UnreadableError("rows of different lengths")
    return Matrix(rows)


def _list(text: str, depth: int) -> Answer | None:
    plain = re.sub(r"\\text\{\s*(and|or)\s*\}", r" \1 ", text)
    parts = _split(plain, r",|;|\b(?:and|or)\b")
    if len(parts) > _MAX_ITEMS:
        raise UnreadableError("too many items")
    if len(parts) > 1:
        return Group("", tuple(item for part in parts for item in _signs(part, depth)), "")
    if re.search(r"\\pm(?![a-zA-Z])", text) and not any(mark in text for mark in "([,="):
        return Group("", _signs(text, depth), "")
    return None


def _signs(text: str, depth: int) -> tuple[Answer, ...]:
    r"""Both values of `1 \pm 2`."""
    if not re.search(r"\\pm(?![a-zA-Z])", text):
        return (_read(text, depth + 1),)
    pairs = (("+", "-"), ("-", "+"))
    return tuple(
        _read(re.sub(r"\\pm(?![a-zA-Z])", up, re.sub(r"\\mp(?![a-zA-Z])", down, text)), depth + 1) for up, down in pairs
    )


def _relation(text: str, depth: int) -> Answer | None:
    signs: list[str] = _COMPARISON.findall(text)
    if not signs:
        return None
    sides = [side.strip() for side in _COMPARISON.split(text)]
    if r"\ne" in signs or not all(sides):
        raise UnreadableError("a relation of another kind")
    if signs in (["="], [r"\in"]):
        name = _SYMBOL.fullmatch(sides[0])
        if name is not None and not re.search(rf"(?<![a-zA-Z\\]){re.escape(name[1])}(?![a-zA-Z])", sides[1]):
            return Named(name[1], _read(sides[1], depth + 1))
        if signs == ["="]:
            group = _brackets(sides[0], depth)
            value = _brackets(sides[1], depth) if group is not None else None
            if group is not None and value is not None:
                return value  # (x, y) = (3, 4)
            return Equation(sides[0], sides[1])
        raise UnreadableError("membership of no symbol")
    return _interval(sides, signs, depth)


def _interval(sides: list[str], signs: list[str], depth: int) -> Answer:
    r"""`a < x \le b`, `x > a` and `a < x` as intervals."""
    if set(signs) <= {">", r"\ge"}:
        sides, signs = sides[::-1], [{">": "<", r"\ge": r"\le"}[sign] for sign in signs[::-1]]
    if not set(signs) <= {"<", r"\le"}:
        raise UnreadableError("a relation of another kind")
    lowest, highest = Scalar(r"-\infty"), Scalar(r"\infty")
    if len(sides) == 3 and _SYMBOL.fullmatch(sides[1]):
        ends = (_read(sides[0], depth + 1), _read(sides[2], depth + 1))
        return Group("[" if signs[0] == r"\le" else "(", ends, "]" if signs[1] == r"\le" else ")")
    if len(sides) == 2 and _SYMBOL.fullmatch(sides[0]):
        return Group("(", (lowest, _read(sides[1], depth + 1)), "]" if signs[0] == r"\le" else ")")
    if len(sides) == 2 and _SYMBOL.fullmatch(sides[1]):
        return Group("[" if signs[0] == r"\le" else "(", (_read(sides[0], depth + 1), highest), ")")
    raise UnreadableError("an inequality of another kind")


def _brackets(text: str, depth: int) -> Answer | None:
    text = text.strip()
    unions = _split(text, r"\\cup(?![a-zA-Z])")
    if len(unions) > 1:
        return Union(tuple(_read(part, depth + 1) for part in unions))
    if text.startswith(r"\{") and text.endswith(r"\}") and _whole(text, 2, 2):
        inner = text[2:-2]
        parts = _split(inner, r",|;") if inner.strip() else []
        return Group("", tuple(item for part in parts for item in _signs(part, depth)), "")
    if text[:1] in "([" and text[-1:] in ")]" and _whole(text, 1, 1):
        parts = _split(text[1:-1], r",|;")
        if len(parts) > 1:
            return Group(text[0], tuple(_read(part, depth + 1) for part in parts), text[-1])
        if text[0] == "[":
            raise UnreadableError("one value in square brackets")
        return _read(text[1:-1], depth + 1) if text[-1] == ")" else None
    return None


def _one(text: str, depth: int) -> Answer:
    ratio = re.split(r":|\\colon(?![a-zA-Z])", text)
    if len(ratio) > 1:
        return Group(":", tuple(_read(part, depth + 1) for part in ratio), ":")
    return _scalar(text)


def _split(text: str, separator: str) -> list[str]:
    """The parts outside all brackets; empty ones are refused."""
    spans = [match for match in re.finditer(separator, text) if _open_before(text)[match.start()] == 0]
    if not spans:
        return [text]
    starts = [0, *(match.end() for match in spans)]
    ends = [*(match.start() for match in spans), len(text)]
    parts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    if not all(part.strip() for part in parts):
        parts = [part for part in parts if part.strip()]
    return parts


@lru_cache(maxsize=256)
def _open_before(text: str) -> tuple[int, ...]:
    """For each character, how many brackets are open before it."""
    depths: list[int] = []
    depth = 0
    for token in _BREAK.findall(text):
        depths += [depth] * len(token)
        if token in _OPENING or token == r"\begin":
            depth += 1
        elif token in _ENDING or token == r"\end":
            depth -= 1
    if depth or min(depths, default=0) < 0:
        raise UnreadableError("brackets that do not match")
    return tuple(depths)


def _whole(text: str, opening: int, closing: int) -> bool:
    """Does the first bracket end with the last one?"""
    depths = _open_before(text)
    return min(depths[opening : len(text) - closing], default=1) >= 1
