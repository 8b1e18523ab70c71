"""Number theory and counting: gcd and lcm, remainders, divisors, inclusion and exclusion, committees."""

from __future__ import annotations

import math
import random

from cort_data.nano.handwork import Hand
from cort_data.nano.task import Level, Step, Task, Values, build, pick, span


def power_mod(rng: random.Random, level: Level) -> Task:
    """A power modulo a small number."""
    a, n = rng.randint(2, 9), span(rng, level, (5, 9), (2, 3))
    m = span(rng, level, (11, 29), (5, 9))
    text = pick(
        rng,
        f"What is the remainder when {a}^{n} is divided by {m}?",
        f"Find {a}^{n} mod {m}.",
        f"Divide {a}^{n} by {m}. What remainder is left?",
        f"Compute {a} to the power {n} modulo {m}.",
    )
    name = pick(rng, "r", "remainder", "result")
    code = pick(
        rng,
        f"{name} = pow({a}, {n}, {m})",
        f"{name} = {a}**{n} % {m}",
        f"{name} = 1\nfor i in range({n}):\n    {name} = {name} * {a} % {m}",
    )
    setup = pick(rng, f"The remainder of {a}^{n} by {m} is wanted.", f"I work modulo {m} with powers of {a}.")

    def hand(h: Hand, _: list[Values]) -> Values:
        value = a % m
        h.say(f"Power 1: {value}.")
        for k in range(2, n + 1):
            full = value * a
            value = h.see(full % m)
            h.say(f"Power {k}: {full}-{full // m}*{m}={value}.")
        return (value,)

    step = Step("the remainder", code, (name,), (pow(a, n, m),), hand)
    return build("power_mod", "number theory", text, setup, (step,))


def lcm(rng: random.Random, level: Level) -> Task:
    """The lcm by way of the gcd: two dependent blocks."""
    g, u, v = span(rng, level, (6, 24), (2, 4)), span(rng, level, (4, 16), (2, 3)), span(rng, level, (4, 16), (2, 4))
    a, b = g * u, g * v
    text = pick(
        rng,
        f"Find the least common multiple of {a} and {b} by way of their greatest common divisor.",
        f"What is lcm({a}, {b})?",
        f"Two lamps blink every {a} and every {b} seconds. After how many seconds do they first blink together again?",
        f"What is the smallest positive number divisible by both {a} and {b}?",
    )
    common, name = pick(rng, "g", "d", "common"), pick(rng, "l", "lcm", "m")
    first = pick(
        rng,
        f"import math\n{common} = math.gcd({a}, {b})",
        f"from math import gcd\n{common} = gcd({a}, {b})",
        f"{common}, y = {a}, {b}\nwhile y:\n    {common}, y = y, {common} % y",
    )
    second = pick(rng, f"{name} = {a} * {b} // {common}", f"{name} = {a} // {common} * {b}")
    setup = pick(rng, f"The gcd of {a} and {b} comes first, then the lcm.", f"lcm = {a}*{b}/gcd, so the gcd first.")

    def hand_gcd(h: Hand, _: list[Values]) -> Values:
        x, y = max(a, b), min(a, b)
        while y:
            x, y = y, h.div(x, y)[1]
        h.say(f"The gcd is {x}.")
        return (x,)

    def hand_lcm(h: Hand, before: list[Values]) -> Values:
        return (h.mul(h.div(a, max(1, before[0][0]))[0], b),)

    steps = (
        Step("the gcd", first, (common,), (math.gcd(a, b),), hand_gcd),
        Step("the lcm", second, (name,), (math.lcm(a, b),), hand_lcm),
    )
    return build("lcm", "number theory", text, setup, steps)


def multiples(rng: random.Random, level: Level) -> Task:
    """Numbers divisible by p or q, by inclusion and exclusion: two dependent blocks."""
    n = span(rng, level, (220, 990), (12, 30))
    p, q = sorted(rng.sample(range(3, 12) if level == "normal" else (2, 3, 4), 2))
    both = math.lcm(p, q)
    text = pick(
        rng,
        f"How many integers from 1 to {n} are divisible by {p} or by {q}?",
        f"Count the positive integers up to {n} that are multiples of {p} or {q} (or both).",
        f"In a row of {n} numbered lockers those divisible by {p} or {q} are opened. How many are open?",
    )
    one, two, three, name = rng.choice([("a", "b", "c", "n"), ("x", "y", "both", "total"), ("p", "q", "r", "count")])
    first = pick(
        rng,
        f"{one} = {n} // {p}\n{two} = {n} // {q}\n{three} = {n} // {both}",
        f"import math\n{one} = {n} // {p}\n{two} = {n} // {q}\n{three} = {n} // math.lcm({p}, {q})",
    )
    setup = pick(
        rng,
        f"Count multiples of {p}, of {q}, and of {both}, which were counted twice.",
        f"Multiples of {p} plus multiples of {q} minus multiples of {both}.",
    )

    def hand_counts(h: Hand, _: list[Values]) -> Values:
        return tuple(h.div(n, m)[0] for m in (p, q, both))

    def hand_total(h: Hand, before: list[Values]) -> Values:
        x, y, z = before[0]
        return (h.sub(h.add(x, y), z),)

    counts = (n // p, n // q, n // both)
    steps = (
        Step("the three counts", first, (one, two, three), counts, hand_counts),
        Step(
            "the total", f"{name} = {one} + {two} - {three}", (name,), (counts[0] + counts[1] - counts[2],), hand_total
        ),
    )
    return build("multiples", "counting", text, setup, steps)


def divisors(rng: random.Random, level: Level) -> Task:
    """The sum of all divisors."""
    n = span(rng, level, (40, 190), (4, 12))
    text = pick(
        rng,
        f"What is the sum of all positive divisors of {n}?",
        f"Add up all divisors of {n}, including 1 and {n}.",
        f"Find the sum of the positive integers that divide {n}.",
    )
    name = pick(rng, "total", "s", "result")
    code = pick(
        rng,
        f"{name} = sum(d for d in range(1, {n} + 1) if {n} % d == 0)",
        f"{name} = 0\nfor d in range(1, {n + 1}):\n    if {n} % d == 0:\n        {name} += d",
        f"n = {n}\n{name} = sum(d for d in range(1, n + 1) if n % d == 0)",
    )
    setup = pick(rng, f"All d that divide {n} are needed.", f"I look for the divisors of {n} and add them.")

    def hand(h: Hand, _: list[Values]) -> Values:
        found, parts = [], []
        for d in range(1, math.isqrt(n) + 1):
            if n % d:
                parts.append(f"{d} no")
                continue
            parts.append(f"{d}*{n // d}")
            found += [d, n // d] if d * d < n else [d]
        h.say(f"Divisors of {n}: {'; '.join(parts)}.")
        return (h.total(found),)

    step = Step("the divisor sum", code, (name,), (sum(d for d in range(1, n + 1) if n % d == 0),), hand)
    return build("divisors", "number theory", text, setup, (step,))


def square_residues(rng: random.Random, level: Level) -> Task:
    """How many n up to N have n*n leaving a given remainder."""
    k = span(rng, level, (5, 11), (3, 4))
    n = span(rng, level, (60, 400), (6, 12))
    r = rng.choice(sorted({i * i % k for i in range(k)}))
    text = pick(
        rng,
        f"How many integers n from 1 to {n} have n^2 leaving remainder {r} when divided by {k}?",
        f"Count the n with 1 <= n <= {n} such that n^2 mod {k} = {r}.",
        f"For how many positive integers n up to {n} is n*n equal to {r} modulo {k}?",
    )
    name = pick(rng, "count", "c", "total")
    code = pick(
        rng,
        f"{name} = sum(1 for n in range(1, {n + 1}) if n * n % {k} == {r})",
        f"{name} = 0\nfor n in range(1, {n} + 1):\n    if n**2 % {k} == {r}:\n        {name} += 1",
        f"{name} = len([n for n in range(1, {n} + 1) if n * n % {k} == {r}])",
    )
    setup = pick(rng, f"The squares modulo {k} repeat with period {k}.", f"I look at n^2 modulo {k} up to {n}.")
    hits = [i for i in range(1, k + 1) if i * i % k == r]

    def hand(h: Hand, _: list[Values]) -> Values:
        h.say(f"Squares mod {k}: {'; '.join(f'{i}: {i * i % k}' for i in range(1, k + 1))}.")
        h.say(f"Remainder {r} at {', '.join(map(str, hits))}: {len(hits)} in each period.")
        periods, rest = h.div(n, k)
        extra = sum(i <= rest for i in hits)
        h.say(f"In the last {rest} there are {extra}.")
        return (h.add(h.mul(periods, len(hits)), extra),)

    value = sum(1 for i in range(1, n + 1) if i * i % k == r)
    return build("square_residues", "counting", text, setup, (Step("the count", code, (name,), (value,), hand),))


def committee(rng: random.Random, level: Level) -> Task:
    """Choose k of n and j of m: two dependent blocks."""
    n, m = span(rng, level, (8, 19), (3, 5)), span(rng, level, (8, 19), (3, 5))
    k, j = (rng.randint(2, 3) if level == "normal" else 2), 2
    who, other = rng.choice([("women", "men"), ("teachers", "pupils"), ("painters", "singers"), ("cats", "dogs")])
    text = pick(
        rng,
        f"In how many ways can {k} of {n} {who} and {j} of {m} {other} be chosen?",
        f"A group has {n} {who} and {m} {other}. How many committees of {k} {who} and {j} {other} are possible?",
        f"From {n} {who} pick {k}, from {m} {other} pick {j}. How many selections are there?",
    )
    one, two, name = rng.choice([("a", "b", "ways"), ("x", "y", "total"), ("c1", "c2", "n")])
    first = pick(
        rng,
        f"import math\n{one} = math.comb({n}, {k})\n{two} = math.comb({m}, {j})",
        f"from math import comb\n{one} = comb({n}, {k})\n{two} = comb({m}, {j})",
    )
    setup = pick(
        rng,
        f"Choose {k} of {n} and {j} of {m}, then multiply.",
        f"C({n},{k}) and C({m},{j}) first, then their product.",
    )

    def hand_counts(h: Hand, _: list[Values]) -> Values:
        pairs = h.div(h.mul(n, n - 1), 2)[0] if k == 2 else h.div(h.mul(h.mul(n, n - 1), n - 2), 6)[0]
        return pairs, h.div(h.mul(m, m - 1), 2)[0]

    a, b = math.comb(n, k), math.comb(m, j)
    steps = (
        Step("the two counts", first, (one, two), (a, b), hand_counts),
        Step("the number of ways", f"{name} = {one} * {two}", (name,), (a * b,), lambda h, v: (h.mul(*v[0]),)),
    )
    return build("committee", "counting", text, setup, steps)
