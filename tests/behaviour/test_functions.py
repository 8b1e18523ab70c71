import pytest

from cort_data.behaviour.functions import classes_of


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import sympy as sp\nsp.solve(sp.Eq(x, 2))", {"equation solving"}),
        ("from sympy import *\nfactorint(12)", {"primes"}),
        ("for i in range(9):\n    pass", {"loop"}),
        ("sum(i % 7 for i in range(9))", {"sums and products", "comprehension", "modular arithmetic"}),
        ("pow(2, 20, 5**7)", {"roots and powers", "modular arithmetic"}),
        ("def f(n):\n    return n * f(n - 1)", {"own function", "recursion"}),
        ("@lru_cache\ndef f(n):\n    return n", {"own function", "memory of results"}),
        ("2 + 2", {"plain arithmetic"}),
        ("'%d' % 3", {"plain arithmetic"}),
    ],
)
def test_classes_are_read_from_the_syntax_tree(code, wanted):
    assert wanted <= classes_of(code)


def test_what_does_not_parse_has_no_classes():
    assert classes_of("1% of x") == frozenset()


def test_a_name_in_a_string_is_no_call():
    assert classes_of("print('solve(x)')") == {"plain arithmetic"}


def test_plain_arithmetic_is_what_uses_no_class():
    assert "plain arithmetic" not in classes_of("math.gcd(12, 18) + 1")
