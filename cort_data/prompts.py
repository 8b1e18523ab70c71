"""What the model is asked: named prompt templates, and a user's own text in place of one.

A template is Jinja2 over `problem`. The model's profile puts the result into the form of its family.
"""

from __future__ import annotations

import functools

from jinja2 import Environment, StrictUndefined, Template, TemplateError, meta

from cort_data.errors import RecipeError
from cort_data.trace import Problem

PROMPTS = {
    "cort": (
        "{{ problem }}\n\n"
        "Think in words, and let python programs do the calculations as you go. "
        r"Close with the result inside \boxed{}."
    ),
    "cir": (
        "Work on this problem step by step. Whenever a program helps, write a python block: it is executed and "
        "what it prints is shown to you, and you go on from there. "
        "Close with the result inside \\boxed{}.\n\n"
        "{{ problem }}"
    ),
    "plain": "{{ problem }}",
    "text": "{{ problem }}\n\n" + r"Reason step by step. Close with the result inside \boxed{}.",
}

_ASKS_FOR_CODE = frozenset({"cort", "cir"})

_ENVIRONMENT = Environment(undefined=StrictUndefined, keep_trailing_newline=True)


def render_prompt(prompt: str, problem: Problem) -> str:
    """The user message for a problem; `prompt` is a template's name or a template's text."""
    return _template(PROMPTS.get(prompt, prompt)).render(problem=problem.text)


def without_code(prompt: str) -> str:
    """The template for a model that gets no code run: `text` for the shipped ones that ask for python."""
    return "text" if prompt in _ASKS_FOR_CODE else prompt


@functools.lru_cache(maxsize=32)
def _template(text: str) -> Template:
    """Compiled once, not once a trace."""
    return _ENVIRONMENT.from_string(text)


def check_prompt(prompt: str) -> str:
    """The prompt itself, if it can be rendered and asks the problem. Raises RecipeError."""
    try:
        variables = meta.find_undeclared_variables(_ENVIRONMENT.parse(PROMPTS.get(prompt, prompt)))
    except TemplateError as error:
        raise RecipeError(f"not a Jinja2 template: {error}") from None
    if variables != {"problem"}:
        names = ", ".join(PROMPTS)
        raise RecipeError(f"must be one of {names}, or a text that uses {{{{ problem }}}} and no other variable")
    return prompt
