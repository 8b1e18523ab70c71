"""Each filter keeps a good trace and drops a bad one for its own reason."""

import asyncio

import pytest
from builders import GOOD, InProcess, block, completion, make_trace

from cort_data.errors import RecipeError
from cort_data.filters import FILTERS, Resources, parse_filters
from cort_data.foreign import UNKNOWN_ANSWER
from cort_data.grading import Grader
from cort_data.trace import Event, Kind, Origin, Problem, Segment, feedback

EVALUATION = (
    Problem(
        id="test-1",
        text="A farmer plants 123 rows of 45 trees each and cuts down 67 of them; how many trees remain on the field?",
        answer="5468",
    ),
)


@pytest.fixture(scope="module")
def grader():
    with Grader() as grader:
        yield grader


def decide(entry, trace, **resources):
    [spec] = parse_filters([entry])
    return asyncio.run(spec.build(Resources(**resources)).decide(trace))


def verdict(entry, trace, **resources):
    decision = decide(entry, trace, **resources)
    return "kept" if decision.keep else decision.reason


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        (GOOD, {}, "kept"),
        (GOOD, {"stop_reason": "length"}, "not_answered"),
        (GOOD.replace("</think>\n", ""), {"stop_reason": "answered"}, "thinking_unclosed"),
        (GOOD.replace("So the", "</think>So the"), {}, "thinking_closed_twice"),
        (GOOD.replace("\\boxed{29842}", "29842"), {"stop_reason": "answered"}, "no_box"),
        (completion("```python\nprint(1)\n"), {"stop_reason": "answered"}, "thinking_unclosed"),
        (GOOD + "\n```python\nprint(1)\n", {}, "unclosed_block"),
        (completion(block("# nothing to run", "(no output)")), {}, "empty_block"),
        (completion("```python\nprint(1)\n```\nand so on\n"), {}, "unpaired_block"),
    ],
)
def test_format(text, fields, reason):
    assert verdict("format", make_trace(text, **fields)) == reason


def test_format_reads_a_tag_in_a_string_as_code():
    trace = make_trace(completion(block("print('</think>')", "</think>")))
    assert verdict("format", trace) == "kept"


def test_format_takes_a_refused_block_as_answered():
    segments = (
        Segment(kind=Kind.CODE, origin=Origin.MODEL, text="```python\nprint(1)\n```"),
        Segment(kind=Kind.NOTICE, origin=Origin.SYSTEM, text=feedback(Kind.NOTICE, "No calls left.")),
        Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="</think>\n\\boxed{1}"),
    )
    trace = make_trace(segments=segments)
    assert verdict("format", trace) == "kept"
    assert verdict("replay", trace, interpreter=InProcess()) == "kept"


@pytest.mark.parametrize(
    ("answer", "gold", "reason"),
    [
        ("29842", "29842", "kept"),
        ("29,842", "29842", "kept"),
        ("29843", "29842", "wrong"),
        ("5", UNKNOWN_ANSWER, "unscored"),
    ],
)
def test_answer(grader, answer, gold, reason):
    trace = make_trace(GOOD.replace("29842}", answer + "}"), answer=gold)
    assert verdict("answer", trace, grader=grader) == reason


def test_answer_without_a_box(grader):
    trace = make_trace("Hm.\n</think>\nI give up.")
    assert verdict("answer", trace, grader=grader) == "no_answer"


def test_answer_before_code():
    early = completion("So the answer is 29842, and code will confirm it.\n", block("print(347 * 86)", "29842"))
    late = completion("The answer is what code gives.\n", block("print(347 * 86)", "29842"), "The answer is 29842.\n")
    longer = completion("The result is 298421 or so.\n", block("print(347 * 86)", "29842"))
    assert verdict("answer_before_code", make_trace(early)) == "answer_before_code"
    assert verdict("answer_before_code", make_trace(late)) == "kept"
    assert verdict("answer_before_code", make_trace(longer)) == "kept"
    assert verdict("answer_before_code", make_trace("It is \\boxed{29842}.\n" + GOOD)) == "answer_before_code"


def test_forged_output_is_read_from_the_events():
    imported = make_trace("It prints\n```output\n29842\n```\n</think>\n\\boxed{29842}")
    live = make_trace(events=(Event(kind="forged_output", tokens=4),))
    assert verdict("forged_output", imported) == "forged_output"
    assert verdict("forged_output", live) == "forged_output"
    assert verdict("forged_output", make_trace()) == "kept"


ERROR = """\
Traceback (most recent call last):
  File "<cell 1>", line 1, in <module>
    x
NameError: name 'x' is not defined"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (completion(block("x", ERROR)), "all_code_failed"),
        (completion(block("x", ERROR), "Again:\n", block("print(5)", "5")), "kept"),
        (completion(block("print('relative error: 0.01')", "relative error: 0.01")), "kept"),
        (completion("In words alone.\n"), "kept"),
        (completion(block("while True: pass", "TimeoutError: stopped after 10 s")), "all_code_failed"),
        (completion(block("import os; os._exit(3)", "the process ended with exit code 3; all variables are lost")),
         "all_code_failed"),
    ],
)  # fmt: skip
def test_all_code_failed(text, reason):
    assert verdict("all_code_failed", make_trace(text)) == reason


def test_over_length():
    trace = make_trace()
    n = sum(s.tokens for s in trace.segments)
    assert verdict({"name": "over_length", "tokens": n}, trace) == "kept"
    assert verdict({"name": "over_length", "tokens": n - 1}, trace) == "over_length"
    uncounted = make_trace(segments=tuple(s.model_copy(update={"tokens": 0}) for s in trace.segments))
    assert verdict({"name": "over_length", "tokens": 10**6}, uncounted) == "unknown_length"


def test_a_planted_leak_is_dropped_and_a_same_template_problem_is_kept():
    leak = make_trace(problem="Please solve: " + EVALUATION[0].text.replace("; how", ". How"))
    same_template = make_trace(problem=EVALUATION[0].text.replace("123", "124").replace("45", "46").replace("67", "68"))
    assert decide("contamination", leak, evaluation=EVALUATION).detail == "overlaps with test-1"
    assert verdict("contamination", leak, evaluation=EVALUATION) == "contaminated"
    assert verdict("contamination", same_template, evaluation=EVALUATION) == "kept"


def test_contamination_against_a_file(tmp_path):
    path = tmp_path / "guarded.jsonl"
    path.write_text(EVALUATION[0].model_dump_json() + "\n")
    entry = {"name": "contamination", "against": [str(path)]}
    assert verdict(entry, make_trace(problem=EVALUATION[0].text)) == "contaminated"
    assert verdict(entry, make_trace()) == "kept"


def test_reasons_are_unique_and_named_in_full():
    reasons = [reason for cls in FILTERS.values() for reason in cls.reasons]
    assert len(reasons) == len(set(reasons))
    assert "kept" not in reasons


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["fromat"], "filters.0: unknown filter 'fromat'; did you mean format?"),
        (["format", {"name": "over_length"}], "filters.1 (over_length): tokens is required"),
        ([{"name": "over_length", "tokens": 0}], "filters.0 (over_length): tokens: Input should be greater than"),
        ([{"name": "over_length", "token": 5, "tokens": 5}], "unknown parameter 'token'; did you mean tokens?"),
        ([{"name": "replay", "tokens": 5}], "unknown parameter 'tokens'; it takes no parameters"),
        (["loop", "loop"], "filters.1: loop stands twice"),
    ],
)
def test_a_bad_filter_list_is_refused(entries, message):
    with pytest.raises(RecipeError) as caught:
        parse_filters(entries)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["replay", "answer"])
def test_a_missing_resource_is_named(name):
    with pytest.raises(RecipeError, match=name):
        decide(name, make_trace())
