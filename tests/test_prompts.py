import pytest

from cort_data.errors import RecipeError
from cort_data.prompts import PROMPTS, check_prompt, render_prompt
from cort_data.trace import Problem

PROBLEM = Problem(id="p", text=r"What is {{ 1 }} + \(1\)?", answer="2")


def test_plain_is_the_problem_as_it_stands():
    assert render_prompt("plain", PROBLEM) == PROBLEM.text


@pytest.mark.parametrize("name", ["cort", "cir"])
def test_the_named_prompts_ask_for_a_box(name):
    text = render_prompt(name, PROBLEM)
    assert PROBLEM.text in text
    assert r"\boxed{}" in text


def test_every_named_prompt_is_usable():
    for name in PROMPTS:
        assert check_prompt(name) == name


def test_a_text_of_ones_own():
    assert render_prompt("Q: {{ problem }}", PROBLEM) == f"Q: {PROBLEM.text}"


@pytest.mark.parametrize("prompt", ["cot", "{{ problem }} {{ more }}", "{{ problem", "{% if %}"])
def test_what_cannot_ask_a_problem_is_refused(prompt):
    with pytest.raises(RecipeError):
        check_prompt(prompt)
