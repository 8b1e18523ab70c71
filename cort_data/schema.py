"""JSON schemas of the files that users write and read, taken from the code that reads them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter


class Form(StrEnum):
    """What has a schema."""

    TRACE = "trace"
    PROBLEM = "problem"
    RECIPE = "recipe"
    HINT = "hint"


def schema_of(form: Form) -> dict[str, Any]:
    """The JSON schema of one form: a line of a trace or problem file, a recipe, the front matter of a hint."""
    return TypeAdapter(_model(form)).json_schema()


def _model(form: Form) -> Any:  # noqa: ANN401 - a class of any of four modules
    match form:
        case Form.TRACE:
            from cort_data.trace import Trace

            return Trace
        case Form.PROBLEM:
            from cort_data.trace import Problem

            return Problem
        case Form.RECIPE:
            from cort_data.recipe import Recipe

            return Recipe
        case Form.HINT:
            from cort_data.hints.template import HintHeader

            return HintHeader
