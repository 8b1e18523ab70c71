"""Compare two forms exactly; what needs algebra is asked of a function that the caller brings.

The caller's process brings one that says None (not decided here), a worker process brings math-verify: one set
of rules for both. All rules are symmetric.
"""

from collections.abc import Callable, Iterable, Sequence

from cort_data.grading.forms import Assignment, Based, Form, Formula, Group, Number, Prose, Relation, Words, read
from cort_data.grading.verdict import Grade, Verdict, different, equal, unscored

Algebra = Callable[[str, str], Grade | None]
"""The verdict on two formulas; None: not decided here."""

MAX_CHARS = 2000
"""Longer answers are compared as text alone: no real answer is that long, and parsers take powers of the length."""

_MAX_ITEMS = 50
_ORDERED = frozenset({"(", "[", ":"})
_SET_SIGNS = (r"\cup", r"\cap", r"\setminus", r"\mathbb", r"\infty")


def compare_texts(first: str, second: str, algebra: Algebra) -> Grade | None:
    """The verdict on two answers as they were written; None where `algebra` decided nothing and was needed."""
    if first.strip() == second.strip():
        return equal("same text")
    if max(len(first), len(second)) > MAX_CHARS:
        return unscored(f"an answer of more than {MAX_CHARS:,} characters")
    return compare(read(first), read(second), algebra)


def compare(first: Form, second: Form, algebra: Algebra) -> Grade | None:
    """The verdict on two forms."""
    if first == second:
        return equal("same form")
    for form in (first, second):
        if isinstance(form, Prose):
            return unscored(f"not a value: {form.text[:80]!r}")
    first, second = _lone(first), _lone(second)
    if isinstance(first, Assignment) or isinstance(second, Assignment):
        return _assignments(first, second, algebra)
    if isinstance(first, Number) and isinstance(second, Number):
        return equal("same number") if first.value == second.value else different("other number")
    words = [_as_words(form) for form in (first, second)]
    if words[0] and words[1] and (isinstance(first, Words) or isinstance(second, Words)):
        return _words(words[0], words[1])
    if isinstance(first, Based | Words) or isinstance(second, Based | Words):
        return _kinds(first, second)
    if isinstance(first, Group) and isinstance(second, Group):
        return _groups(first, second, algebra)
    return _formulas(first, second, algebra)


def _lone(form: Form) -> Form:
    """A set or list of one is its element."""
    if isinstance(form, Group) and form.opening not in _ORDERED and len(form.items) == 1:
        return form.items[0]
    return form


def _assignments(first: Form, second: Form, algebra: Algebra) -> Grade | None:
    """`x = 5` is 5 against a value, an equation against an equation."""
    if isinstance(first, Assignment) and isinstance(second, Assignment):
        if first.symbol == second.symbol:
            return compare(first.value, second.value, algebra)
        return algebra(first.tex, second.tex) if _is_line(first) or _is_line(second) else different("other symbol")
    named, other = (first, second) if isinstance(first, Assignment) else (second, first)
    assert isinstance(named, Assignment)
    if isinstance(other, Relation):
        return algebra(named.tex, other.tex) if other.sign == "=" or _is_set(named.value) else _kinds(first, second)
    return compare(named.value, other, algebra)


def _is_line(form: Assignment) -> bool:
    """y = 2x and x = y/2 are the same equation; x = 5 and y = 5 are not."""
    return isinstance(form.value, Formula)


def _is_set(form: Form) -> bool:
    return isinstance(form, Group) or (isinstance(form, Formula) and any(sign in form.tex for sign in _SET_SIGNS))


def _as_words(form: Form) -> str | None:
    """The text of words, and of letters that may be a word as well as a product."""
    if isinstance(form, Words):
        return form.text
    if isinstance(form, Formula) and len(form.tex) > 1 and form.tex.isalpha():
        return form.tex.casefold()
    return None


def _words(first: str, second: str) -> Grade:
    if first == second:
        return equal("same words")
    if set(first.split()) <= set(second.split()) or set(second.split()) <= set(first.split()):
        return unscored(f"{first[:80]!r} and {second[:80]!r} share words")
    return different("other words")


def _kinds(first: Form, second: Form) -> Grade:
    names = sorted(type(form).__name__.lower() for form in (first, second))
    return different(f"other kind: {names[0]} and {names[1]}" if names[0] != names[1] else f"other {names[0]}")


def _groups(first: Group, second: Group, algebra: Algebra) -> Grade | None:
    if (first.opening in _ORDERED) != (second.opening in _ORDERED):
        return different("an ordered group against a list or set")
    if max(len(first.items), len(second.items)) > _MAX_ITEMS:
        return unscored(f"more than {_MAX_ITEMS} items")
    if len(first.items) != len(second.items):
        return different("other number of items")
    if first.opening not in _ORDERED:
        return _matching(first.items, second.items, algebra)
    if (first.opening, first.closing) != (second.opening, second.closing):
        return different("other brackets")
    return _all(compare(one, other, algebra) for one, other in zip(first.items, second.items, strict=True))


def _all(grades: Iterable[Grade | None]) -> Grade | None:
    """One different item decides; then one that is not decided; then one that cannot be judged."""
    results = list(grades)
    for verdict in (Verdict.DIFFERENT, None, Verdict.UNSCORED):
        for grade in results:
            if (grade and grade.verdict) == verdict:
                return grade and Grade(grade.verdict, f"an item: {grade.reason}")
    return equal("same items")


def _matching(first: Sequence[Form], second: Sequence[Form], algebra: Algebra) -> Grade | None:
    """Each item of one side needs its own equal on the other, in any order."""
    lonely, rest = [], list(second)
    for item in first:
        match = next((i for i, other in enumerate(rest) if _is_equal(compare(item, other, algebra))), None)
        if match is None:
            lonely.append(item)
        else:
            del rest[match]
    if not lonely:
        return equal("same items")
    grades = [[compare(item, other, algebra) for other in rest] for item in lonely]
    if any(all(map(_is_different, line)) for line in [*grades, *zip(*grades, strict=True)]):
        return different("an item without its equal")
    doubts = [grade for row in grades for grade in row if not _is_different(grade)]
    return None if None in doubts else doubts[0]


def _is_equal(grade: Grade | None) -> bool:
    return grade is not None and grade.verdict is Verdict.EQUAL


def _is_different(grade: Grade | None) -> bool:
    return grade is not None and grade.verdict is Verdict.DIFFERENT


def _formulas(first: Form, second: Form, algebra: Algebra) -> Grade | None:
    relations = [form for form in (first, second) if isinstance(form, Relation)]
    if len(relations) == 1 and (relations[0].sign == "=" or not (_is_set(first) or _is_set(second))):
        return different("an equation or inequality against a value")
    groups = [form for form in (first, second) if isinstance(form, Group)]
    if groups and not relations and not (_is_set_formula(first) or _is_set_formula(second)):
        return different("a group against a single value")
    return algebra(tex_of(first), tex_of(second))


def _is_set_formula(form: Form) -> bool:
    return isinstance(form, Formula) and _is_set(form)


def tex_of(form: Form) -> str:
    """A form as TeX for the algebra."""
    if isinstance(form, Number):
        value = form.value
        return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert isinstance(form, Formula | Relation | Group)
    return form.tex
