"""Which classes of functions a block uses, read from its syntax tree.

Calls go by the last part of their name (`functions.yaml`); loops, comprehensions, conditions, own functions, recursion,
remainders and assertions are read from the shape of the code. Code that does not parse has no classes.
"""

from __future__ import annotations

import ast
import functools
import warnings
from importlib import resources

import yaml

PLAIN = "plain arithmetic"
"""Of code that uses none of the classes."""


def classes_of(code: str) -> frozenset[str]:
    """The classes that a block's code uses."""
    tree = tree_of(code)
    if tree is None:
        return frozenset()
    by_name = _classes()
    called = {name for node in ast.walk(tree) if isinstance(node, ast.Call) and (name := _name(node.func))}
    decorators = {_name(d) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for d in node.decorator_list}
    named = {cls for name in called | decorators for cls in by_name.get(name, ())}
    return frozenset(named | _shapes(tree)) or frozenset({PLAIN})


def tree_of(code: str) -> ast.Module | None:
    """The syntax tree; None for what is no python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _shapes(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.For() | ast.While():
                found.add("loop")
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                found.add("comprehension")
            case ast.BinOp(op=ast.Mod(), left=left) if not isinstance(left, ast.Constant | ast.JoinedStr):
                found.add("modular arithmetic")
            case ast.Call(func=ast.Name(id="pow"), args=[_, _, _]):
                found.add("modular arithmetic")
            case ast.BinOp(op=ast.Pow()):
                found.add("roots and powers")
            case ast.Assert():
                found.add("assertion")
            case ast.FunctionDef():
                found.add("own function")
                if any(isinstance(n, ast.Call) and _name(n.func) == node.name for n in ast.walk(node)):
                    found.add("recursion")
    return found


def _name(node: ast.expr) -> str:
    """The last part of what is called."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner):
            return _name(inner)
    return ""


@functools.cache
def _classes() -> dict[str, tuple[str, ...]]:
    """Name → classes."""
    table: dict[str, list[str]] = yaml.safe_load((resources.files(__package__) / "functions.yaml").read_text("utf-8"))
    by_name: dict[str, list[str]] = {}
    for cls, names in table.items():
        for name in names:
            by_name.setdefault(name, []).append(cls)
    return {name: tuple(classes) for name, classes in by_name.items()}
