"""Word problems. Some must be put into equations before code can help; a block opened at once has nothing to run."""

from __future__ import annotations

import random

from cort_data.nano.handwork import Hand
from cort_data.nano.task import Level, Step, Task, Values, build, pick, span

NAMES = ("Mia", "Tom", "Ana", "Ben", "Lea", "Max", "Ida", "Sam")


def series(rng: random.Random, level: Level) -> Task:
    """An arithmetic series, plain or as savings."""
    a, d = span(rng, level, (3, 29), (1, 4)), span(rng, level, (3, 19), (1, 3))
    n = span(rng, level, (12, 38), (3, 4))
    who = rng.choice(NAMES)
    text = pick(
        rng,
        f"An arithmetic sequence has first term {a} and common difference {d}. Find the sum of its first {n} terms.",
        f"{who} saves {a} coins in the first week and in each later week {d} more than the week before. "
        f"How many coins has {who} after {n} weeks?",
        f"A theatre has {a} seats in row 1 and each next row has {d} more. How many seats are in {n} rows?",
        f"What is {a} + {a + d} + {a + 2 * d} + ... with {n} terms?",
    )
    name = pick(rng, "total", "s", "result")
    code = pick(
        rng,
        f"{name} = sum({a} + {d} * i for i in range({n}))",
        f"{name} = 0\nterm = {a}\nfor i in range({n}):\n    {name} += term\n    term += {d}",
        f"last = {a} + ({n} - 1) * {d}\n{name} = {n} * ({a} + last) // 2",
    )
    setup = pick(
        rng, f"First term {a}, difference {d}, {n} terms.", f"It is a series of {n} terms from {a} in steps of {d}."
    )

    def hand(h: Hand, _: list[Values]) -> Values:
        last = h.add(h.mul(n - 1, d), a)
        h.say(f"The last term is {last}.")
        return (h.div(h.mul(h.add(last, a), n), 2)[0],)

    value = sum(a + d * i for i in range(n))
    return build("series", "sequences", text, setup, (Step("the sum", code, (name,), (value,), hand),))


def crates(rng: random.Random, level: Level) -> Task:
    """Deliveries, breakage and a price: the quantities must first be named and related."""
    a, b = span(rng, level, (12, 48), (2, 5)), span(rng, level, (12, 48), (2, 5))
    c, d = span(rng, level, (12, 48), (2, 5)), span(rng, level, (6, 9), (2, 5))
    lost, price = span(rng, level, (21, 99), (1, 3)), span(rng, level, (3, 9), (2, 3))
    thing, box = rng.choice([("bottles", "crates"), ("apples", "boxes"), ("pens", "packs"), ("eggs", "trays")])
    bad = pick(rng, "are broken", "are stolen", "go bad")
    text = pick(
        rng,
        f"A shop gets {a} {box} with {b} {thing} each and {c} {box} with {d} {thing} each. {lost} of the {thing} "
        f"{bad}; the rest sell for {price} coins each. How many coins come in?",
        f"The {thing} come in {box}: {a} {box} hold {b} each, {c} hold {d} each. After {lost} {bad}, every one left is "
        f"sold at {price} coins. What is the income?",
    )
    setup = pick(
        rng,
        f"Let me set this up. There are {a}*{b}+{c}*{d} {thing} at first; {lost} {bad}, so {lost} are subtracted. "
        f"What is left is multiplied by the price {price}.",
        f"Delivered {thing}: {a}*{b}+{c}*{d}. Left over: that minus {lost}. Income: what is left times {price}.",
    )
    left, name = pick(rng, "left", "rest"), pick(rng, "income", "coins")
    code = pick(
        rng,
        f"{left} = {a} * {b} + {c} * {d} - {lost}\n{name} = {left} * {price}",
        f"all = {a} * {b} + {c} * {d}\n{left} = all - {lost}\n{name} = {left} * {price}",
    )

    def hand(h: Hand, _: list[Values]) -> Values:
        return (h.mul(h.sub(h.add(h.mul(a, b), h.mul(c, d)), lost), price),)

    value = (a * b + c * d - lost) * price
    return build("crates", "word problems", text, setup, (Step("the income", code, (name,), (value,), hand),))


def tickets(rng: random.Random, level: Level) -> Task:
    """Two unknowns: the equations come first."""
    low = span(rng, level, (4, 9), (1, 2))
    high = low + span(rng, level, (3, 8), (1, 2))
    x, y = span(rng, level, (15, 80), (2, 5)), span(rng, level, (15, 80), (2, 5))
    n, money = x + y, high * x + low * y
    one, two, thing = rng.choice([("adult", "child", "tickets"), ("large", "small", "cakes"), ("red", "blue", "lamps")])
    text = pick(
        rng,
        f"{n} {thing} were sold for {money} coins in all. A {one} one costs {high} coins and a {two} one {low}. "
        f"How many {one} {thing} were sold?",
        f"There are {one} {thing} at {high} coins and {two} {thing} at {low} coins. Someone paid {money} coins for {n} "
        f"{thing}. How many of them were {one}?",
    )
    setup = pick(
        rng,
        f"Let x be the {one} {thing}, so {n}-x are {two}. Then {high}*x+{low}*({n}-x)={money}.",
        f"Say x of the {n} are {one} and the others {two}: {high}*x+{low}*({n}-x)={money}.",
    )
    code = pick(
        rng,
        f"for k in range({n} + 1):\n    if {high} * k + {low} * ({n} - k) == {money}:\n        x = k",
        f"x = ({money} - {low} * {n}) // ({high} - {low})",
        f"x = [k for k in range({n + 1}) if {high} * k + {low} * ({n} - k) == {money}][0]",
    )

    def hand(h: Hand, _: list[Values]) -> Values:
        h.say(f"If all were {two}: {low}*{n}.")
        gap = h.sub(money, h.mul(n, low))
        h.say(f"Each {one} one adds {high - low}.")
        return (h.div(gap, high - low)[0],)

    step = Step(f"the number of {one} {thing}", code, ("x",), (x,), hand)
    return build("tickets", "word problems", text, setup, (step,))
