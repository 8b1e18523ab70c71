"""Plain computing: products, sums, powers, polynomials, and one family that needs no computing at all."""

from __future__ import annotations

import random

from cort_data.nano.handwork import Hand
from cort_data.nano.task import Level, Step, Task, Values, build, pick, span


def _product_code(rng: random.Random, a: int, b: int, name: str) -> str:
    return pick(
        rng,
        f"{name} = {a} * {b}",
        f"a = {a}\nb = {b}\n{name} = a * b",
        f"x, y = {a}, {b}\n{name} = x * y",
        f"{name} = 0\nfor i in range({b}):\n    {name} += {a}",
        f"{name} = sum({a} for i in range({b}))",
    )


def product(rng: random.Random, level: Level) -> Task:
    """Three digits times two."""
    a, b = span(rng, level, (102, 989), (3, 12)), span(rng, level, (13, 98), (3, 12))
    text = pick(
        rng,
        f"What is {a} * {b}?",
        f"Compute the product of {a} and {b}.",
        f"Multiply {a} by {b}.",
        f"A hall has {b} rows with {a} seats each. How many seats are there?",
        f"Find {a} times {b}.",
    )
    name = pick(rng, "product", "result", "p", "ans")
    setup = pick(rng, f"I need {a}*{b}.", f"The product {a}*{b} is wanted.", f"This is {a} times {b}.")
    step = Step("the product", _product_code(rng, a, b, name), (name,), (a * b,), lambda h, _: (h.mul(a, b),))
    return build("product", "arithmetic", text, setup, (step,))


def expression(rng: random.Random, level: Level) -> Task:
    """a*b + c*d."""
    a, b, c, d = (span(rng, level, (13, 98), (2, 6)) for _ in range(4))
    text = pick(
        rng,
        f"Compute {a} * {b} + {c} * {d}.",
        f"What is the value of {a}*{b} + {c}*{d}?",
        f"Add the product of {a} and {b} to the product of {c} and {d}.",
        f"Evaluate {a} × {b} + {c} × {d}.",
    )
    name = pick(rng, "total", "result", "value", "s")
    code = pick(
        rng,
        f"{name} = {a} * {b} + {c} * {d}",
        f"first = {a} * {b}\nsecond = {c} * {d}\n{name} = first + second",
        f"pairs = [({a}, {b}), ({c}, {d})]\n{name} = sum(x * y for x, y in pairs)",
    )
    setup = pick(rng, f"Two products, {a}*{b} and {c}*{d}, are added.", f"The value is {a}*{b}+{c}*{d}.")
    step = Step("the value", code, (name,), (a * b + c * d,), lambda h, _: (h.add(h.mul(a, b), h.mul(c, d)),))
    return build("expression", "arithmetic", text, setup, (step,))


def squares(rng: random.Random, level: Level) -> Task:
    """The sum of two squares."""
    a, b = (span(rng, level, (13, 98), (2, 7)) for _ in range(2))
    text = pick(
        rng,
        f"What is {a}^2 + {b}^2?",
        f"Find the sum of the squares of {a} and {b}.",
        f"Two square fields have sides of {a} m and {b} m. What is their total area in square metres?",
        f"Square {a} and {b} and add the results.",
    )
    name = pick(rng, "total", "result", "area", "s")
    code = pick(
        rng,
        f"{name} = {a}**2 + {b}**2",
        f"{name} = sum(n * n for n in ({a}, {b}))",
        f"{name} = 0\nfor n in [{a}, {b}]:\n    {name} += n**2",
        f"{name} = {a} * {a} + {b} * {b}",
    )
    setup = pick(rng, f"I need {a}*{a}+{b}*{b}.", f"The squares of {a} and {b} are added.")
    step = Step("the sum of squares", code, (name,), (a * a + b * b,), lambda h, _: (h.add(h.mul(a, a), h.mul(b, b)),))
    return build("squares", "arithmetic", text, setup, (step,))


def polynomial(rng: random.Random, level: Level) -> Task:
    """A cubic at a point, by Horner's scheme."""
    a, b, c, d = (span(rng, level, (2, 9), (1, 3)) for _ in range(4))
    x = span(rng, level, (6, 19), (1, 2))
    text = pick(
        rng,
        f"Let f(x) = {a}x^3 + {b}x^2 + {c}x + {d}. What is f({x})?",
        f"Evaluate {a}x^3 + {b}x^2 + {c}x + {d} at x = {x}.",
        f"For x = {x}, find the value of {a}x^3 + {b}x^2 + {c}x + {d}.",
    )
    name = pick(rng, "value", "result", "y", "f")
    code = pick(
        rng,
        f"x = {x}\n{name} = {a} * x**3 + {b} * x**2 + {c} * x + {d}",
        f"x = {x}\n{name} = 0\nfor c in [{a}, {b}, {c}, {d}]:\n    {name} = {name} * x + c",
    )
    setup = pick(rng, f"The coefficients are {a}, {b}, {c}, {d} and x is {x}.", f"I put x={x} into the cubic.")

    def hand(h: Hand, _: list[Values]) -> Values:
        value = a
        for coefficient in (b, c, d):
            value = h.add(h.mul(value, x), coefficient)
        return (value,)

    value = ((a * x + b) * x + c) * x + d
    return build("polynomial", "algebra", text, setup, (Step("the value", code, (name,), (value,), hand),))


def last_digit(rng: random.Random, level: Level) -> Task:
    """The last digit of a product plus a number: a sentence suffices, code is a detour."""
    a, b = span(rng, level, (1201, 9899), (11, 99)), span(rng, level, (123, 987), (11, 99))
    c = span(rng, level, (11, 99), (1, 9))
    text = pick(
        rng,
        f"What is the last digit of {a} * {b} + {c}?",
        f"Find the units digit of {a} × {b} + {c}.",
        f"What remainder does {a} * {b} + {c} leave when divided by 10?",
    )
    p, q, r = a % 10, b % 10, c % 10
    low = p * q % 10
    answer = (low + r) % 10
    mental = pick(
        rng,
        f"Only last digits matter: {p}*{q} ends in {low}, and {low}+{r} ends in {answer}.",
        f"It is enough to look at the units: {p}*{q} ends in {low} and {low}+{r} ends in {answer}.",
    )
    code = pick(rng, f"r = ({a} * {b} + {c}) % 10", f"n = {a} * {b} + {c}\nr = n % 10")

    def hand(h: Hand, _: list[Values]) -> Values:
        h.say(mental)
        return (answer,)

    setup = pick(rng, "Just the units digit is asked.", "The question is about the last digit alone.")
    step = Step("the last digit", code, ("r",), (answer,), hand)
    return build("last_digit", "number theory", text, setup, (step,), mental)


def _digit_sum_code(rng: random.Random, source: str, name: str) -> str:
    return pick(
        rng,
        f"{name} = sum(int(c) for c in str({source}))",
        f"{name} = 0\nfor c in str({source}):\n    {name} += int(c)",
        f"{name} = sum(map(int, str({source})))",
    )


def digit_sum(rng: random.Random, level: Level) -> Task:
    """The digit sum of a product: two dependent blocks."""
    a, b = span(rng, level, (102, 989), (3, 12)), span(rng, level, (13, 98), (3, 12))
    text = pick(
        rng,
        f"What is the sum of the digits of {a} * {b}?",
        f"Multiply {a} by {b} and add up the digits of the result.",
        f"Find the digit sum of the product of {a} and {b}.",
    )
    name, last = pick(rng, "product", "n", "p"), pick(rng, "digits", "s", "total")
    setup = pick(rng, f"First {a}*{b}, then its digits.", f"I need {a}*{b} and then the sum of its digits.")
    steps = (
        Step("the product", _product_code(rng, a, b, name), (name,), (a * b,), lambda h, _: (h.mul(a, b),)),
        Step(
            "the digit sum",
            _digit_sum_code(rng, name, last),
            (last,),
            (sum(map(int, str(a * b))),),
            lambda h, before: (h.digit_sum(before[0][0]),),
        ),
    )
    return build("digit_sum", "number theory", text, setup, steps)


def recurrence(rng: random.Random, level: Level) -> Task:
    """A linear recurrence, then the digit sum of its last term: two dependent blocks."""
    start, p, q = rng.randint(2, 9), span(rng, level, (2, 4), (2, 2)), span(rng, level, (1, 9), (1, 5))
    n = span(rng, level, (4, 6), (1, 2))
    text = pick(
        rng,
        f"A sequence starts with {start}; each next term is {p} times the last one plus {q}. "
        f"What is the digit sum of the term reached after {n} steps?",
        f"Let x_0 = {start} and x_(k+1) = {p}*x_k + {q}. Find the sum of the digits of x_{n}.",
        f"Start from {start} and {n} times multiply by {p} and add {q}. Add up the digits of the result.",
    )
    name, last = pick(rng, "x", "term"), pick(rng, "s", "digits")
    setup = pick(
        rng, f"From {start}, the rule {p}*x+{q} is applied {n} times.", f"The rule is x to {p}*x+{q}, {n} times."
    )

    def hand(h: Hand, _: list[Values]) -> Values:
        value = start
        for _k in range(n):
            value = h.add(h.mul(value, p), q)
        return (value,)

    value = start
    for _ in range(n):
        value = p * value + q
    code = f"{name} = {start}\nfor i in range({n}):\n    {name} = {p} * {name} + {q}"
    steps = (
        Step("the last term", code, (name,), (value,), hand),
        Step(
            "the digit sum",
            _digit_sum_code(rng, name, last),
            (last,),
            (sum(map(int, str(value))),),
            lambda h, before: (h.digit_sum(before[0][0]),),
        ),
    )
    return build("recurrence", "sequences", text, setup, steps)
