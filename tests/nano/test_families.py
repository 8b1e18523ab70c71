"""Gold answers against an independent brute force that reads the problem text alone, and the splits."""

import math
import random
import re
from itertools import islice

import pytest

from cort_data.errors import RecipeError
from cort_data.interpreter.cell import new_namespace, run_cell
from cort_data.nano.families import (
    BETTER_WITHOUT_CODE,
    FAMILIES,
    NEEDS_SETUP,
    SPLITS,
    TWO_BLOCKS,
    problems,
    split_of,
    tasks,
)


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def digits(n):
    return sum(map(int, str(n)))


def product(text):
    return math.prod(numbers(text))


def expression(text):
    a, b, c, d = numbers(text)
    return a * b + c * d


def squares(text):
    a, b = numbers(re.sub(r"\^2", "", text))
    return a**2 + b**2


def polynomial(text):
    a, b, c, d = map(int, re.search(r"(\d+)x\^3 \+ (\d+)x\^2 \+ (\d+)x \+ (\d+)", text).groups())
    x = int(re.search(r"(?:x = |f\()(\d+)", text)[1])
    return a * x**3 + b * x**2 + c * x + d


def last_digit(text):
    a, b, c = numbers(text)[:3]
    return (a * b + c) % 10


def digit_sum(text):
    return digits(math.prod(numbers(text)))


def recurrence(text):
    if text.startswith("Let"):
        start, p, q = map(int, re.search(r"x_0 = (\d+) and x_\(k\+1\) = (\d+)\*x_k \+ (\d+)", text).groups())
        n = int(re.search(r"of x_(\d+)\.", text)[1])
    elif text.startswith("Start"):
        start, n, p, q = numbers(text)
    else:
        start, p, q, n = numbers(text)
    for _ in range(n):
        start = start * p + q
    return digits(start)


def power_mod(text):
    a, n, m = numbers(text)
    value = 1
    for _ in range(n):
        value = value * a % m
    return value


def lcm(text):
    a, b = numbers(text)
    return next(n for n in range(a, a * b + 1, a) if n % b == 0)


def multiples(text):
    found = numbers(text)
    n, p, q = found[1:] if "from 1 to" in text else found
    return sum(i % p == 0 or i % q == 0 for i in range(1, n + 1))


def divisors(text):
    n = max(numbers(text))
    return sum(d for d in range(1, n + 1) if n % d == 0)


def square_residues(text):
    found = numbers(re.sub(r"n\^2", "", text))
    if "from 1 to" in text:
        _, n, r, k = found
    elif "1 <= n" in text:
        _, n, k, r = found
    else:
        n, r, k = found
    return sum(i * i % k == r for i in range(1, n + 1))


def committee(text):
    a, b, c, d = numbers(text)
    pairs = [(b, a), (d, c)] if text.startswith("In how") else [(a, c), (b, d)]
    if text.startswith("From"):
        pairs = [(a, b), (c, d)]
    return math.prod(math.comb(n, k) for n, k in pairs)


def series(text):
    found = numbers(text)
    if text.startswith("What"):
        a, d, n = found[0], found[1] - found[0], found[-1]
    elif text.startswith("A theatre"):
        a, d, n = found[0], found[2], found[3]
    else:
        a, d, n = found
    return sum(range(a, a + d * n, d)) if d else a * n


def crates(text):
    a, b, c, d, lost, price = numbers(text)
    return (a * b + c * d - lost) * price


def tickets(text):
    if text.startswith("There"):
        high, low, money, n = numbers(text)
    else:
        n, money, high, low = numbers(text)
    return next(k for k in range(n + 1) if high * k + low * (n - k) == money)


@pytest.mark.parametrize("level", ["normal", "easy"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gold_answer_is_what_the_text_asks_for(family, level):
    rng = random.Random(5)
    for _ in range(60):
        problem = FAMILIES[family](rng, level).problem
        assert problem.answer == str(globals()[family](problem.text)), problem.text


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_code_and_manual_work_arrive_at_the_values(family):
    from cort_data.nano.handwork import Hand

    rng = random.Random(6)
    for _ in range(30):
        task = FAMILIES[family](rng, "normal")
        namespace, before = new_namespace(), []
        for step in task.steps:
            assert run_cell(step.code, namespace, 1).error is None
            assert tuple(namespace[name] for name in step.names) == step.values
            before.append(step.hand(Hand(rng), before))
            assert before[-1] == step.values


def test_enough_families_of_each_kind():
    assert len(FAMILIES) >= 14
    assert len(TWO_BLOCKS) >= 4
    assert len(NEEDS_SETUP) >= 2
    assert BETTER_WITHOUT_CODE


@pytest.mark.parametrize("family", sorted(TWO_BLOCKS))
def test_second_block_uses_variables_of_the_first(family):
    task = FAMILIES[family](random.Random(1), "normal")
    assert len(task.steps) == 2
    assert "NameError" in (run_cell(task.steps[1].code, new_namespace(), 1).error or "")


def test_splits_are_disjoint_whatever_the_seed():
    texts = {split: {p.text for seed in (0, 1) for p in problems(split, 400, seed)} for split in SPLITS}
    for split in SPLITS:
        assert all(split_of(p.id) == split for p in problems(split, 50, 9))
        assert not any(texts[split] & texts[other] for other in SPLITS if other != split)


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_thousands_of_problems(split):
    assert len({t.problem.id for t in islice(tasks(split, 1), 2000)}) == 2000


def test_more_problems_continue_fewer():
    assert problems("synth", 30, 4)[:10] == problems("synth", 10, 4)


def test_unknown_split_is_named():
    with pytest.raises(RecipeError, match="expected one of pretrain, synth, dev, test, got 'train'"):
        problems("train", 1, 0)
