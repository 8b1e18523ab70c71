"""What is odd about a completion from elsewhere is put right and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.fences import parse
from cort_data.mending import NOT_CLOSED, mend
from cort_data.profiles import load_profile
from cort_data.trace import segments_of

BLOCK = "```python\nprint(1)\n```\n```output\n1\n```\n"
END = "So.\n</think>\n\nIt is \\boxed{1}."


def mended(text, profile="r1_distill"):
    made = mend(text, load_profile(profile))
    return made.text, {event.kind: event.count for event in made.events}


def test_a_completion_in_our_form_stays_as_it_is():
    assert mended(BLOCK + END) == (BLOCK + END, {})
    assert mended(f"<think>\n{BLOCK}{END}") == (BLOCK + END, {})


@pytest.mark.parametrize(
    "token", ["<|im_end|>", "<｜end▁of▁sentence｜>", "<|endoftext|>\n", " </s>", "<|eot_id|><|eot_id|>"]
)
def test_closing_tokens_are_cut(token):
    assert mended(END + token) == (END, {"stop_token": token.count("<")})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("<thinking>\nHm.\n</thinking>\nIt is \\boxed{1}.", 2),
        ("<|begin_of_thought|>\n\nHm.\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nIt is \\boxed{1}.", 2),
    ],
)
def test_think_tags_of_other_families_become_ours(text, count):
    assert mended(text) == ("Hm.\n</think>\n\nIt is \\boxed{1}.", {"other_think_tags": count})


def test_our_think_tags_are_those_of_the_profile():
    text, found = mended("<think>Hm.</think>It is \\boxed{1}.", "gpt_oss")
    assert text == "Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is \\boxed{1}."
    assert found == {"other_think_tags": 2}


def test_the_last_closing_tag_counts():
    text, found = mended(f"A.\n</think>\n\n{BLOCK}<think>B.</think>\n{BLOCK}{END}")
    assert text == f"A.\n\n{BLOCK}\n\nB.\n\n{BLOCK}{END}"
    assert found == {"extra_think_tags": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We add.\n\nSo \\boxed{1}.", "We add.\n</think>\n\nSo \\boxed{1}."),
        (f"{BLOCK}It is \\boxed{{1}}.", f"{BLOCK}</think>\n\nIt is \\boxed{{1}}."),
        ("\\boxed{1}", "</think>\n\n\\boxed{1}"),
    ],
)
def test_missing_closing_tags_are_put_before_the_answer(text, expected):
    assert mended(text) == (expected, {"no_think_close": 1})


@pytest.mark.parametrize("text", ["We add, and", f"\\boxed{{1}}\n{BLOCK}", ""])
def test_thinking_without_an_answer_stays_open(text):
    made = mend(text, load_profile("plain"))
    assert made.text == text
    assert [(event.kind, event.reason) for event in made.events] == [("no_think_close", NOT_CLOSED)]


FENCES = [
    "<llm-code>\nprint(1)\n</llm-code>\n<llm-code-output>\n1\n</llm-code-output>\n",
    "<code>\n```python\nprint(1)\n```\n</code>\n<interpreter>\n1\n</interpreter>\n",
    "<tool_call>\nprint(1)\n</tool_call>\n```output\n1\n```\n",
    '<tool_call>\n{"arguments": {"code": "print(1)"}}\n</tool_call>\n<tool_response>\n1\n</tool_response>\n',
    "```python\nprint(1)\n```\n```stdout\n1\n```\n",
    "```python\nprint(1)\n```\n\n``` Execution Result\n1\n```\n",
]


@pytest.mark.parametrize("fences", FENCES)
def test_code_and_outputs_in_other_clothes_get_our_fences(fences):
    text, found = mended(f"First.\n{fences}{END}")
    assert [(piece.kind.value, piece.text.strip("\n")) for piece in parse(text)] == [
        ("text", "First."),
        ("code", "```python\nprint(1)\n```"),
        ("output", "```output\n1\n```"),
        ("text", END),
    ]
    assert set(found) == {"odd_fence"}


def test_a_result_that_follows_no_code_is_no_output():
    text = f"```result\n5\n```\n{END}"
    assert mended(text) == (text, {})


def test_a_block_has_one_output():
    text, found = mended(f"{BLOCK}```output\n2\n```\n\n```output\n3\n```\n{END}")
    assert text == f"```python\nprint(1)\n```\n\n```output\n1\n2\n3\n```\n{END}".replace(
        "```\n\n```output", "```\n```output"
    )
    assert found == {"several_outputs": 2}


def test_blocks_that_nothing_answers_are_counted():
    assert mended(f"```python\nx\n```\n{BLOCK}{END}")[1] == {"unanswered_block": 1}
    assert mended("A.\n```python\nx")[1] == {"no_think_close": 1, "unclosed_block": 1}


def test_line_ends_become_ours():
    assert mended((BLOCK + END).replace("\n", "\r\n")) == (BLOCK + END, {"line_ends": (BLOCK + END).count("\n")})


def test_a_text_in_the_dialect_of_the_profile_is_read():
    text = (
        "Hm.<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(1)<|call|>"
        "<|start|>python to=assistant<|channel|>analysis<|message|>1<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is \\boxed{1}.<|return|>"
    )
    made, found = mended(text, "gpt_oss")
    assert made == (
        "Hm.\n```python\nprint(1)\n```\n```output\n1\n```\n"
        "<|end|><|start|>assistant<|channel|>final<|message|>It is \\boxed{1}."
    )
    assert found == {"stop_token": 1}


PIECES = [
    "<think>",
    "</think>",
    "\n",
    BLOCK,
    "```output\nx\n```\n",
    "\\boxed{1}",
    "So.",
    "```stdout\n",
    "```\n",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.sampled_from(["r1_distill", "qwen3_tools"]),
)
def test_mended_once_is_mended(text, profile):
    once, _ = mended(text, profile)
    segments_of(once)
    again, found = mended(once, profile)
    assert again == once
    assert not set(found) - {"no_think_close", "unanswered_block", "unclosed_block"}
