"""Arithmetic as a careful pupil writes it: digit by digit, with carries, one line an operation.

The nano models learn manual work from these lines. A `Hand` can slip: a wrong digit is then carried on as a
person would carry it on, so that every later line is consistent with the mistake. Small facts (the times table,
sums under a hundred) are written at once, which is what makes easy problems as short by hand as with code.
"""

from __future__ import annotations

import random
from itertools import zip_longest

FACT_MUL = 12
"""Both factors up to this: a fact, written without digits."""
FACT_ADD = 100
"""Both terms below this: a fact."""
FACT_DIV = 144
"""Dividend up to this by a divisor up to FACT_MUL: a fact."""


def digits_up(number: int) -> list[int]:
    """Decimal digits, ones first."""
    return [int(c) for c in reversed(str(number))]


class Hand:
    """Writes manual work line by line and gives the values it arrived at.

    `slip` is the chance that one digit operation goes wrong; `slips` counts how often that happened.
    """

    def __init__(self, rng: random.Random, slip: float = 0.0) -> None:
        self.rng = rng
        self.slip = slip
        self.slips = 0
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        """All lines so far, each with its line end."""
        return "".join(line + "\n" for line in self.lines)

    def say(self, line: str) -> None:
        """A line without arithmetic of its own."""
        self.lines.append(line)

    def see(self, value: int) -> int:
        """The value as this hand reads it: off by one when it slips."""
        if self.slip and self.rng.random() < self.slip:
            self.slips += 1
            return value + (1 if value == 0 or self.rng.random() < 0.5 else -1)
        return value

    def mul(self, a: int, b: int) -> int:
        """a times b; b's digits one after the other, shifted and added."""
        if a < b:
            a, b = b, a
        if b <= 1 or (a <= FACT_MUL and b <= FACT_MUL):
            return self._fact(f"{a}*{b}", a * b)
        rows = [self._mul_digit(a, d) * 10**i if d else 0 for i, d in enumerate(digits_up(b)) if d or len(str(b)) == 1]
        total = rows[0]
        for row in rows[1:]:
            total = self.add(row, total)
        if len(rows) > 1 or b >= 10:
            self.say(f"So {a}*{b}={total}.")
        return total

    def _mul_digit(self, a: int, d: int) -> int:
        carry, written, parts = 0, list[str](), list[str]()
        for i, digit in enumerate(digits_up(a)):
            last = i == len(str(a)) - 1
            total = self.see(digit * d + carry)
            step = f"{digit}*{d}={total}" if not carry else f"{digit}*{d}+{carry}={total}"
            carry = 0 if last else total // 10
            written.append(str(total) if last else str(total % 10))
            parts.append(step if last or not carry else f"{step}, write {total % 10} carry {carry}")
        value = int("".join(reversed(written)))
        self.say(f"{a}*{d}: {'; '.join(parts)}. So {a}*{d}={value}.")
        return value

    def add(self, a: int, b: int) -> int:
        """a plus b, column by column."""
        if a < FACT_ADD and b < FACT_ADD:
            return self._fact(f"{a}+{b}", a + b)
        carry, written, parts = 0, list[str](), list[str]()
        for x, y in zip_longest(digits_up(a), digits_up(b), fillvalue=0):
            total = self.see(x + y + carry)
            parts.append(f"{x}+{y}={total}" if not carry else f"{x}+{y}+{carry}={total}")
            carry = total // 10
            written.append(str(total % 10))
        value: int = int("".join(reversed(written))) + carry * 10 ** len(written)
        self.say(f"{a}+{b}: {'; '.join(parts)}. So {a}+{b}={value}.")
        return value

    def sub(self, a: int, b: int) -> int:
        """a minus b for a >= b; a hand that slipped into a < b gets 0."""
        if b > a:
            return self._fact(f"{a}-{b}", 0)
        if a < FACT_ADD:
            return self._fact(f"{a}-{b}", a - b)
        borrow, written, parts = 0, list[str](), list[str]()
        for x, y in zip_longest(digits_up(a), digits_up(b), fillvalue=0):
            top, low = x + (10 if x < y + borrow else 0), y + borrow
            digit = min(9, self.see(top - low))
            parts.append(f"{top}-{low}={digit}" + (", borrow 1" if top >= 10 else ""))
            borrow = int(top >= 10)
            written.append(str(digit))
        value = int("".join(reversed(written)))
        self.say(f"{a}-{b}: {'; '.join(parts)}. So {a}-{b}={value}.")
        return value

    def div(self, a: int, m: int) -> tuple[int, int]:
        """Quotient and remainder of a by m, bringing down one digit after the other."""
        if a <= FACT_DIV and m <= FACT_MUL:
            quotient = self.see(a // m)
            self.say(f"{a}={quotient}*{m}+{max(0, a - quotient * m)}.")
            return quotient, max(0, a - quotient * m)
        rest, written, parts = 0, list[str](), list[str]()
        for c in str(a):
            rest = rest * 10 + int(c)
            if rest < m and not any(w != "0" for w in written):
                written.append("0")
                continue
            q = min(9, self.see(rest // m))
            parts.append(f"{rest}-{q}*{m}={max(0, rest - q * m)}")
            rest = max(0, rest - q * m)
            written.append(str(q))
        quotient = int("".join(written))
        self.say(f"{a}/{m}: {'; '.join(parts)}. So {a}={quotient}*{m}+{rest}.")
        return quotient, rest

    def digit_sum(self, a: int) -> int:
        """The sum of the decimal digits of a."""
        return self._fact("+".join(str(a)), sum(digits_up(a)))

    def total(self, values: list[int]) -> int:
        """The sum of several numbers, one after the other."""
        total = values[0]
        parts = []
        for value in values[1:]:
            new = self.see(total + value)
            parts.append(f"{total}+{value}={new}")
            total = new
        self.say("Sum: " + "; ".join(parts) + f". So {total}.")
        return total

    def _fact(self, expression: str, value: int) -> int:
        seen = self.see(value)
        self.say(f"{expression}={seen}.")
        return seen
