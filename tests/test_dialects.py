"""A trace in the words of each family, and back: nothing is lost, and nobody's words change their writer."""

import pytest
from builders import GOOD, block, completion, make_trace
from hypothesis import given
from hypothesis import strategies as st

from cort_data.dialects import convert, parse, program_of, render
from cort_data.errors import TraceError
from cort_data.profiles import load_profile, profile_names
from cort_data.steps import Run, StepKind, steps_of
from cort_data.trace import HintMark, Kind, Origin, Segment, Trace, feedback

NAMES = profile_names()
TAGGED = [name for name in NAMES if load_profile(name).tags is not None]
HINT = HintMark(name="h", trigger="regex", wording=0, span_start=0, span_end=0)


def plain(text=GOOD, **fields):
    made = make_trace(text, profile="plain", **fields)
    return made.model_copy(update={"prompt": load_profile("plain").render(made.problem.text)})


def shape(steps):
    return [(step.kind, step.text) for step in steps]


def text_of(runs):
    return "".join(run.text for run in runs)


def test_steps_of_a_trace():
    assert shape(steps_of(plain().segments, "</think>")) == [
        (StepKind.THOUGHT, "The product of both sides is the area, and the area is what is asked."),
        (StepKind.CODE, "area = 347 * 86\nprint(area)"),
        (StepKind.OUTPUT, "29842"),
        (StepKind.THOUGHT, "So the area is found."),
        (StepKind.ANSWER, "The area is \\boxed{29842}."),
    ]


def test_code_after_the_thinking_moves_its_end():
    trace = plain("Think.\n</think>\nLet me check.\n" + block("print(1)", "1") + "So \\boxed{1}.")
    assert shape(steps_of(trace.segments, "</think>")) == [
        (StepKind.THOUGHT, "Think.\n\n\nLet me check.".replace("\n\n\n", "\n\n")),
        (StepKind.CODE, "print(1)"),
        (StepKind.OUTPUT, "1"),
        (StepKind.ANSWER, "So \\boxed{1}."),
    ]


def test_harmony():
    assert text_of(render(plain(), load_profile("gpt_oss"))) == (
        "The product of both sides is the area, and the area is what is asked.<|end|>"
        "<|start|>assistant<|channel|>analysis to=python code<|message|>area = 347 * 86\nprint(area)<|call|>"
        "<|start|>python to=assistant<|channel|>analysis<|message|>29842<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>So the area is found.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>The area is \\boxed{29842}.<|return|>"
    )


def test_tool_calls():
    assert text_of(render(plain(), load_profile("qwen3_tools"))) == (
        "The product of both sides is the area, and the area is what is asked.\n</think>\n\n"
        '<tool_call>\n{"name": "python", "arguments": {"code": "area = 347 * 86\\nprint(area)"}}\n</tool_call>'
        "<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\n29842\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\nSo the area is found.\n</think>\n\nThe area is \\boxed{29842}.<|im_end|>"
    )


def test_a_fenced_trace_is_rendered_as_it_stands():
    odd = "So:\n~~~py\nprint(1)\n~~~  \n\n```output\n1\n```\nthat.\n</think>\n\\boxed{1}"
    assert text_of(render(plain(odd))) == odd
    assert (
        text_of(render(plain(odd, stop_reason="length").model_copy(update={"profile": "nano"})))
        == odd + "<|endoftext|>"
    )


@pytest.mark.parametrize("text", [
    "```\n```output\n1\n```\n",
    block("x = 1", "(no output)") + block("y", "2"),
    "A.\n```python\nx\n```\nB.\n</think>\n\\boxed{1}",
    "A.\n```python\nx\n```\n```notice\nNo calls are left.\n```\nB.\n</think>\n",
    'A.\n```python\ns = """\n    ```\n"""\n```\n```output\n<b>\n```\n',
    "Think, and stop",
    "",
])  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_edges_come_back(name, text):
    trace, profile = plain(text), load_profile(name)
    assert shape(parse(text_of(render(trace, profile)), profile)) == shape(steps_of(trace.segments, "</think>"))


WORDS = st.text("ab \n.`~é<>|{}\\\"'", max_size=20)
CODE = st.text("xy=1 \n\"'\\{}#`", max_size=20)
PARTS = st.lists(
    st.one_of(
        WORDS,
        st.builds(lambda code, out: f"\n````python\n{code}\n````\n{feedback(Kind.OUTPUT, out)}", CODE, WORDS),
        st.builds(lambda code: f"\n````python\n{code}\n````\n", CODE),
        st.just("\n```output\nforged\n```\n"),
        st.just("</think>"),
    ),
    max_size=6,
).map("".join)


@given(PARTS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_rendered_parses_to_the_same_steps(name, text):
    trace, profile = plain(text), load_profile(name)
    steps = steps_of(trace.segments, "</think>")
    try:
        rendered = text_of(render(trace, profile))
    except TraceError:
        return  # a tag in a text, or an open block: refused, never written wrongly
    assert shape(parse(rendered, profile)) == shape(steps)


@given(PARTS, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_parse_render_parse_is_stable_over_families(text, first, second):
    one, two = load_profile(first), load_profile(second)
    try:
        moved = convert(convert(plain(text), one), two)
        once = parse(text_of(render(moved)), two)
        back = convert(moved, one)
        again = parse(text_of(render(back, two)), two)
    except TraceError:
        return
    assert shape(once) == shape(again)


def test_conversion_changes_prompt_and_tags_and_keeps_the_answer():
    made = convert(plain(), load_profile("gpt_oss"))
    assert made.prompt == load_profile("gpt_oss").render(made.problem.text)
    assert made.text.endswith("found.<|end|><|start|>assistant<|channel|>final<|message|>The area is \\boxed{29842}.")
    assert (made.profile, made.calls, made.token_ids) == ("gpt_oss", 1, None)
    assert convert(convert(made, load_profile("plain")), load_profile("gpt_oss")) == made


def hinted():
    segments = (
        Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="By hand. "),
        Segment(kind=Kind.TEXT, origin=Origin.HINT, text="Use python.\n", hint=HINT),
        Segment(kind=Kind.CODE, origin=Origin.HINT, text="```python\nimport math\n", hint=HINT),
        Segment(kind=Kind.CODE, origin=Origin.MODEL, text="print(12)\n```"),
        Segment(kind=Kind.OUTPUT, origin=Origin.INTERPRETER, text=feedback(Kind.OUTPUT, "12")),
        Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="So.\n</think>\n\\boxed{12}"),
    )
    base = plain("x")
    return Trace(id="h", problem=base.problem, prompt=base.prompt, segments=segments)


@pytest.mark.parametrize("name", NAMES)
def test_conversion_keeps_who_wrote_what(name):
    made = convert(hinted(), load_profile(name))
    by = {origin: "".join(s.text for s in made.segments if s.origin is origin) for origin in Origin}
    assert by[Origin.HINT].strip().removesuffix("\n") == "Use python.\n```python\nimport math"
    assert by[Origin.MODEL].startswith("By hand. print(12)")
    assert by[Origin.INTERPRETER].strip() == "```output\n12\n```"


@pytest.mark.parametrize("name", TAGGED)
def test_a_rendering_says_who_wrote_what(name):
    runs = render(hinted(), load_profile(name))
    by = {origin: "".join(run.text for run in runs if run.origin is origin) for origin in Origin}
    assert by[Origin.INTERPRETER] == "12"
    assert "import math" in by[Origin.HINT]
    assert "print(12)" in by[Origin.MODEL]
    assert not any(word in by[Origin.SYSTEM] for word in ("12", "hand", "math", "So."))


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            completion("The tag <|im_end|> ends it."),
            "qwen3_tools",
            r"a thought holds '<\|im_end\|>', a tag of qwen3_tools",
        ),
        (completion(block("print('<|call|>')", "x")), "gpt_oss", r"a code holds '<\|call\|>'"),
        ("Open.\n```python\nx", "gpt_oss", "ends in an open block"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(text, name, message):
    with pytest.raises(TraceError, match=f"trace t1: .*{message}"):
        render(plain(text), load_profile(name))


def test_a_prompt_of_another_profile_is_not_converted():
    with pytest.raises(TraceError, match="its prompt is none of the profile plain"):
        convert(make_trace(profile="plain", prompt="Something"), load_profile("qwq"))


HARMONY = [
    "<|start|>assistant to=python<|channel|>analysis<|message|>print(1)<|call|>",
    "<|start|>assistant<|channel|>commentary to=python code<|message|>print(1)<|call|>",
    '<|start|>assistant<|channel|>commentary to=functions.run <|constrain|>json<|message|>{"code": "print(1)"}<|call|>',
]


@pytest.mark.parametrize("call", HARMONY)
def test_variants_of_harmony_are_read(call):
    text = (
        f"<|channel|>analysis<|message|>We run it.<|end|>{call}"
        "<|start|>python<|channel|>commentary<|message|>1\n<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>Done.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is 1.<|return|>"
    )
    assert shape(parse(text, load_profile("gpt_oss"))) == [
        (StepKind.THOUGHT, "We run it."),
        (StepKind.CODE, "print(1)"),
        (StepKind.OUTPUT, "1\n"),
        (StepKind.THOUGHT, "Done."),
        (StepKind.ANSWER, "It is 1."),
    ]


def test_a_call_that_is_no_json_is_the_program():
    text = "A\n</think>\n<tool_call>\nprint(1)\n</tool_call>\n<|im_start|>user\n<tool_response>\n1\n</tool_response>"
    steps = parse(text, load_profile("qwen3_tools"))
    assert shape(steps)[1:] == [(StepKind.CODE, "print(1)"), (StepKind.OUTPUT, "1")]


def test_a_torn_call_is_an_open_block():
    steps = parse('A\n</think>\n<tool_call>\n{"name": "python", "argu', load_profile("qwen3_tools"))
    assert [step.closed is None for step in steps] == [False, True]


@pytest.mark.parametrize(
    ("payload", "program"),
    [
        ('{"code": "x"}', "x"),
        ({"name": "python", "arguments": '{"input": "x"}'}, "x"),
        ({"parameters": {"source": "x"}}, "x"),
        ("print(1)", "print(1)"),
        ("42", "42"),
        ({"query": 3}, None),
        ({"url": "http://x"}, None),
    ],
)
def test_the_program_of_a_call(payload, program):
    assert program_of(payload) == program


def test_runs_keep_their_writer():
    assert Run("a", Origin.HINT, HINT).by_same("b") == Run("b", Origin.HINT, HINT)
