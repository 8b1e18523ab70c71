r"""Formulas in TeX or as typed on a keyboard, evaluated at a point by recursive descent.

    sum      := ["+" | "-"] product (("+" | "-") product)*
    product  := power (("*" | "/" | nothing) power)*      nothing: juxtaposition, as in 2x
    power    := atom ("!" | "^" exponent)*
    atom     := number | symbol | constant | command with its arguments | bracketed sum

`i` is the imaginary unit and `e` Euler's number. A number followed by a proper fraction is a mixed number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from cort_data.grading.numeric import values
from cort_data.grading.numeric.values import UnreadableError, Value

_TOKEN = re.compile(
    r"\s*(?:(\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)|(\\[a-zA-Z]+|\\[{}|]|[a-zA-Z]+'*|.))", re.DOTALL
)
_MAX_TOKENS = 400
_MAX_DEPTH = 40

_NAMES = "sin cos tan cot sec csc sinh cosh tanh exp asin acos atan"
_FUNCTIONS = {name: name for name in _NAMES.split()} | {
    "ln": "log",
    "lg": "log10",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}
_TRIGONOMETRIC = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
_INVERSE = {"sin": "asin", "cos": "acos", "tan": "atan"}
_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda mu nu xi rho sigma tau phi "
    "varphi chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell"
)
_GREEK = frozenset(_LETTERS.split())
_KEYWORDS = frozenset({*_FUNCTIONS, "sqrt", "pi", "log", "frac", "abs", "binom"})
_STARTS_ATOM = re.compile(r"\d|\.\d|[a-zA-Z]|\\(?:[a-zA-Z]+)|[({]")
_NO_ATOM = frozenset({r"\cdot", r"\times", r"\div", r"\rfloor", r"\rceil", r"\right", r"\over", r"\pm", r"\mp"})
_CLOSING = {"(": ")", "{": "}", "[": "]", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
_BRACKET_FUNCTIONS = {"|": "abs", r"\lfloor": "floor", r"\lceil": "ceil"}


def symbols(text: str) -> frozenset[str]:
    """The symbols of a formula. Raises UnreadableError."""
    names: set[str] = set()

    def take(name: str) -> Fraction:
        names.add(name)
        return Fraction(len(names) + 1, 7)

    _Reader(text, take).whole()
    return frozenset(names)


def evaluate(text: str, point: int) -> Value:
    """The value at the `point`-th point: from the third on some symbols are negative. Raises UnreadableError."""
    return _Reader(text, lambda name: coordinate(name, point)).whole()


def coordinate(name: str, point: int) -> Fraction:
    """A symbol's value at a point, between 1/2 and 9/2 in size: its name decides, so that both sides agree."""
    digest = hashlib.sha256(f"{name}/{point}".encode()).digest()
    size = Fraction(1, 2) + Fraction(int.from_bytes(digest[:2], "big") % 1009, 1009) * 4
    return -size if point >= 2 and digest[2] % 2 else size


class _Reader:
    """Reads and evaluates in one go; `symbol` gives the value of a symbol."""

    def __init__(self, text: str, symbol: Callable[[str], Fraction]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._degrees = False
        self._symbol = symbol

    def whole(self) -> Value:
        value = self._sum()
        if self._peek() is not None:
            raise UnreadableError(f"unexpected {self._peek()!r}")
        return value

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        sign = self._sign()
        total = values.multiply(Fraction(sign), self._product())
        while self._peek() in ("+", "-"):
            sign = self._sign()
            total = values.add(total, values.multiply(Fraction(sign), self._product()))
        self._depth -= 1
        return total

    def _sign(self) -> int:
        sign = 1
        while self._peek() in ("+", "-"):
            sign *= 1 if self._next() == "+" else -1
        return sign

    def _product(self, stops_at_functions: bool = False) -> Value:
        value, last_is_whole = self._first_factor()
        while (token := self._peek()) is not None:
            if token in ("*", r"\cdot", r"\times"):
                self._next()
                value = values.multiply(value, self._signed_power())
            elif token in ("/", r"\div"):
                self._next()
                value = values.divide(value, self._signed_power())
            elif self._starts_atom(token) and not (stops_at_functions and self._is_function(token)):
                value = self._juxtaposed(value, last_is_whole)
            else:
                return value
            last_is_whole = False
        return value

    def _first_factor(self) -> tuple[Value, bool]:
        """The factor, and whether it is a whole number as it stands."""
        start = self._at
        value = self._power()
        return value, self._at == start + 1 and self._tokens[start].isdigit()

    def _juxtaposed(self, value: Value, after_whole_number: bool) -> Value:
        token = self._peek() or ""
        if token[0].isdigit() and self._tokens[self._at - 1][0].isdigit():
            return values.add(value, self._proper(self._typed_fraction()))
        start = self._at
        factor = self._power()
        taken = self._tokens[start : self._at]
        if after_whole_number and token == r"\frac" and all(t == token or t in "{}" or t.isdigit() for t in taken):
            return values.add(value, self._proper(factor))
        return values.multiply(value, factor)

    def _typed_fraction(self) -> Value:
        """`1/2` of `1 1/2`."""
        upper, slash, lower = (self._next() for _ in range(3))
        if slash != "/" or not (upper.isdigit() and lower.isdigit()):
            raise UnreadableError("two numbers side by side")
        return values.divide(Fraction(upper), Fraction(lower))

    @staticmethod
    def _proper(fraction: Value) -> Value:
        if not isinstance(fraction, Fraction) or not 0 < fraction < 1:
            raise UnreadableError("neither a mixed number nor clearly a product")
        return fraction

    def _signed_power(self) -> Value:
        sign = self._sign()
        return values.multiply(Fraction(sign), self._power())

    def _power(self) -> Value:
        value = self._atom()
        while (token := self._peek()) in ("!", "^"):
            self._next()
            if token == "!":
                value = values.factorial(value)
            elif self._peek() == r"\circ" or self._tokens[self._at : self._at + 2] == ["{", r"\circ"]:
                value = self._in_degrees(value)
            else:
                value = values.power(value, self._exponent())
        return value

    def _in_degrees(self, value: Value) -> Value:
        """The degree sign counts inside a sine and its kin only."""
        if self._next() == "{":
            self._next()
            self._expect("}")
        return values.divide(values.multiply(value, values.context().pi), Fraction(180)) if self._degrees else value

    def _exponent(self) -> Value:
        if self._peek() == "{":
            return self._argument()
        sign = self._sign()
        return values.multiply(Fraction(sign), self._atom())

    def _atom(self) -> Value:
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        if token in _CLOSING:
            return self._bracketed(token)
        name = token.removeprefix("\\")
        if name in _FUNCTIONS:
            return self._function(name)
        if name in _COMMANDS:
            return _COMMANDS[name](self)
        if token.startswith("\\") and name not in _GREEK:
            raise UnreadableError(f"the command {token}")
        if not name[0].isalpha():
            raise UnreadableError(f"unexpected {token!r}")
        return self._symbol(name + self._subscript())

    @staticmethod
    def _number(token: str) -> Fraction:
        if token == ".":
            raise UnreadableError("unexpected '.'")
        return Fraction(token.replace(",", ""))

    def _subscript(self) -> str:
        if self._peek() != "_":
            return ""
        self._next()
        if self._peek() != "{":
            return f"_{self._next()}"
        self._next()
        parts = []
        while (token := self._next()) != "}":
            parts.append(token)
        return f"_{''.join(parts)}"

    def _bracketed(self, opening: str) -> Value:
        value = self._sum()
        self._expect(_CLOSING[opening])
        if opening == "[":
            raise UnreadableError("square brackets")
        return values.call(_BRACKET_FUNCTIONS[opening], value) if opening in _BRACKET_FUNCTIONS else value

    def _argument(self) -> Value:
        """What a command takes: a braced sum, a single digit, or an atom."""
        token = self._peek() or ""
        if token.isdigit() and len(token) > 1:
            self._tokens[self._at : self._at + 1] = [token[0], token[1:]]
        return self._atom()

    def _frac(self) -> Value:
        upper = self._argument()
        return values.divide(upper, self._argument())

    def _binom(self) -> Value:
        upper = self._argument()
        return values.binomial(upper, self._argument())

    def _sqrt(self) -> Value:
        degree: Value = Fraction(2)
        if self._peek() == "[":
            self._next()
            degree = self._sum()
            self._expect("]")
        if not isinstance(degree, Fraction) or degree.denominator != 1 or not 2 <= degree <= 100:
            raise UnreadableError("a root of no whole degree")
        return values.root(self._argument(), int(degree))

    def _abs(self) -> Value:
        return values.call("abs", self._argument())

    def _pi(self) -> Value:
        return +values.context().pi

    def _e(self) -> Value:
        return +values.context().e

    def _i(self) -> Value:
        return values.context().mpc(0, 1)

    def _log(self) -> Value:
        if self._peek() != "_":
            raise UnreadableError("a logarithm without its base")  # 10 here, e there
        self._next()
        base = self._argument()
        value = self._function_argument(False)
        return values.divide(values.call("log", value), values.call("log", base))

    def _function(self, name: str) -> Value:
        exponent: Value = Fraction(1)
        if self._peek() == "^":
            self._next()
            exponent = self._exponent()
        inner = self._function_argument(name in _TRIGONOMETRIC)
        if exponent == -1:
            if name not in _INVERSE:
                raise UnreadableError(f"the inverse of {name}")
            return values.call(_INVERSE[name], inner)
        value = values.call(_FUNCTIONS[name], inner)
        return value if exponent == 1 else values.power(value, exponent)

    def _function_argument(self, takes_degrees: bool) -> Value:
        """What stands in the brackets after a function, or the product after it."""
        before, self._degrees = self._degrees, takes_degrees
        try:
            if self._peek() in ("(", "{"):
                return self._atom()
            sign = self._sign()
            return values.multiply(Fraction(sign), self._product(stops_at_functions=True))
        finally:
            self._degrees = before

    @staticmethod
    def _starts_atom(token: str) -> bool:
        return token not in _NO_ATOM and _STARTS_ATOM.match(token) is not None

    @staticmethod
    def _is_function(token: str) -> bool:
        name = token.removeprefix("\\")
        return name in _FUNCTIONS or name == "log"

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise UnreadableError("the formula breaks off")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise UnreadableError(f"{token} is missing")


_COMMANDS: Mapping[str, Callable[[_Reader], Value]] = {
    "frac": _Reader._frac,
    "binom": _Reader._binom,
    "sqrt": _Reader._sqrt,
    "log": _Reader._log,
    "abs": _Reader._abs,
    "pi": _Reader._pi,
    "e": _Reader._e,
    "i": _Reader._i,
}


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for match in _TOKEN.finditer(text.rstrip()):
        number, other = match.groups()
        if number is not None:
            tokens.append(number)
        elif other[0].isalpha() and other.rstrip("'") not in _KEYWORDS:
            if len(other) > 3:
                raise UnreadableError(f"the word {other!r}")
            tokens += re.findall(r"[a-zA-Z]'*", other)
        else:
            tokens.append(other)
        if len(tokens) > _MAX_TOKENS:
            raise UnreadableError("too long")
    if not tokens:
        raise UnreadableError("nothing")
    return tokens
