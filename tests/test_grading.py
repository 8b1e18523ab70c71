"""Extraction and grading: each rule of the contract, symmetry, and bounds on hostile answers."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import RecipeError
from cort_data.grading import Grade, Grader, Verdict, extract, extract_answer
from cort_data.grading.compare import MAX_CHARS, compare_texts
from cort_data.grading.forms import Words
from cort_data.grading.rules import DISAGREE, settle

PAIRS = Path(__file__).parent / "data" / "grading_pairs.jsonl"


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as grader:
        yield grader


def exact(first: str, second: str) -> Verdict | None:
    """The verdict without algebra; None where algebra would be asked."""
    grade = compare_texts(first, second, lambda _first, _second: None)
    return grade and grade.verdict


class TestExtract:
    @pytest.mark.parametrize(
        ("completion", "answer"),
        [
            (r"so it is 5.</think>The answer is \boxed{5}.", "5"),
            (r"\boxed{4}</think>\boxed{5} or rather \boxed{6}", "6"),
            (r"</think>\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
            (r"</think>\boxed{\{1, 2\}}", r"\{1, 2\}"),
            (r"</think>\boxed {\left\{ x \right.}", r"\left\{ x \right."),
            (r"a</think>\boxed{1}b</think>\boxed{2}", "2"),
            (r"</think>\fbox{7}", "7"),
        ],
    )
    def test_the_last_box_after_the_thinking_counts(self, completion: str, answer: str) -> None:
        assert extract_answer(completion) == answer

    @pytest.mark.parametrize(
        ("completion", "reason"),
        [
            (r"I guess \boxed{5}", "the thinking is not closed"),
            (r"\boxed{5}</think>It is five.", "no box outside the thinking"),
            (r"</think>\boxed{5} and \boxed{6", "the last box is not closed"),
            (r"</think>\boxed{ }", "the last box is empty"),
            ("", "the thinking is not closed"),
        ],
    )
    def test_what_is_no_answer_says_why(self, completion: str, reason: str) -> None:
        found = extract(completion)
        assert (found.answer, found.reason) == (None, reason)

    def test_tags_belong_to_the_profile(self) -> None:
        assert extract_answer(r"x</reasoning>\boxed{1}", "</reasoning>") == "1"
        assert extract_answer(r"no thinking: \boxed{1}", think_close="") == "1"

    @given(st.text(st.sampled_from("ab{}\\ 1"), max_size=30))
    def test_what_is_boxed_has_balanced_braces(self, content: str) -> None:
        found = extract_answer(rf"</think>\boxed{{{content}}}")
        if found is not None and not found.endswith("\\"):  # a space may be what it escaped
            assert extract_answer(rf"</think>\boxed{{{found}}}") == found


EQUAL_EXACTLY = [
    ("42", "42.0"),
    ("027", "27"),
    ("-5", "\u22125"),
    ("58,500", "58500"),
    (r"10,\!080", "10{,}080"),
    ("10 080", "10080"),
    (r"\frac{1}{2}", "1/2"),
    (r"\dfrac12", r"\tfrac{1}{2}"),
    (r"\frac9{19}", "9/19"),
    (r"\frac{1}{2}", "0.5"),
    (r"1\frac{4}{5}", "1.8"),
    ("1 1/2", "3/2"),
    ("1.5e3", r"1.5 \times 10^{3}"),
    ("10%", "0.1"),
    (r"10\%", r"\frac{1}{10}"),
    ("10 percent", "10%"),
    ("x=5", "5"),
    (r"\theta = 30^\circ", "30"),
    (r"106^\circ", "106 degrees"),
    ("90°", r"90^{\circ}"),
    (r"\$18.90", "18.9"),
    ("$36$", r"\$36"),
    ("32,348 dollars", r"\$32,\!348"),
    (r"15\mbox{ cm}^2", "15"),
    (r"15 \text{ square centimeters}", "15"),
    ("5cm", "5 km"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    ("x^10", "x^{10}"),
    ("y = 2x + 3", "2x+3"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"),
    (r"12 \text{ m/s}", "12"),
    ("60 miles per hour", "60"),
    (r"14\text{ right triangles}", "14"),
    (r"\approx 8.24\text{ mph}", "8.24"),
    (r"\left( 3, 4 \right)", "(3,4)"),
    (r"\{1, 2\}", "2, 1"),
    ("1,-2", "-2,1"),
    ("x=1 \\text{ or } x=2", "1, 2"),
    (r"x \in [-2,7]", "[-2, 7]"),
    (r"\text{(C)}", "C"),
    ("(C)", r"\text{C}"),
    (r"\text{Evelyn}", "evelyn"),
    ("an ellipse", r"\text{ellipse}"),
    ("yes", r"\text{Yes}"),
    (r"\text{seven}", "7"),
    ("204_5", "204_{5}"),
    (r"204_{\text{five}}", "204_5"),
    (r"\boxed{7}", "7."),
    (r"\emptyset", r"\{\}"),
    (r"2 \sqrt{5}", r"2\sqrt5"),
    ("3:4", "3 : 4"),
    ("\uff15", "5"),
]

EQUAL_BY_ALGEBRA = [
    (r"2\sqrt{3}", r"\sqrt{12}"),
    ("sqrt(3)/2", r"\frac{\sqrt{3}}{2}"),
    (r"\left(3, \frac{\pi}{2}\right)", "(3, pi/2)"),
    ("(a+5)(b+2)", "ab+2a+5b+10"),
    ("0.5x", r"\frac{x}{2}"),
    ("6+9i", "9i+6"),
    ("y = 2x + 3", "y = 3 + 2x"),
    ("y = 2x + 3", "3+2x"),
    ("y = 2x", "x = y/2"),
    ("5x - 7y + 4 = 0", "10x - 14y = -8"),
    ("x > 5", r"(5, \infty)"),
    (r"-2 \le x \le 7", "[-2, 7]"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(3, \infty) \cup (-\infty, 2)"),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", r"\begin{bmatrix} -\frac13 \\ \frac23 \end{bmatrix}"),
    (r"2007 + \frac\pi 2", r"\frac{4014+\pi}{2}"),
    (r"\sin^2 t", r"1 - \cos^2 t"),
    (r"\begin{pmatrix} 1 \\ \phantom -1 \end{pmatrix}", r"\begin{pmatrix} 1 \\ \frac22 \end{pmatrix}"),
    (r"\cot x", r"\frac{1}{\tan x}"),
    (r"\sin 30^\circ", r"\frac{1}{2}"),
    ("10^6", "1,000,000"),
    (r"50\pi\%", r"\frac{\pi}{2}"),
]

DIFFERENT_EXACTLY = [
    ("5", "6"),
    ("10%", "10"),
    ("0.333", "1/3"),
    ("0.333333333333333333", "1/3"),
    ("204_5", "204"),
    ("204_5", "54"),
    ("204_5", "204_6"),
    ("x + y = 5", "5"),
    ("2x = 10", "5"),
    ("x > 5", "5"),
    ("x=5", "y=5"),
    ("(2, 4)", "2, 4"),
    ("(2, 4)", r"\{2, 4\}"),
    ("(2, 4)", "[2, 4]"),
    ("[1, 2)", "[1, 2]"),
    ("(2, 4)", "(4, 2)"),
    ("2, 2", "2"),
    ("1, 2", "1, 2, 3"),
    ("58,500", "(58,500)"),
    (r"\text{east}", r"\text{west}"),
    ("Evelyn", "5"),
    ("E", "e"),
    ("1:2", "1/2"),
    ("3", "-3"),
    ("0, 0, x", "0, 1, 1"),
]

DIFFERENT_BY_ALGEBRA = [
    ("1.41421356", r"\sqrt{2}"),
    ("3.14159265358979", r"\pi"),
    ("1.4142x", r"x\sqrt{2}"),
    ("3x", "3y"),
    ("2t", "2"),
    ("5m", "5"),
    ("x^2", "x^3"),
    (r"2\sqrt{3}", "2"),
    ("x < 5", "x > 5"),
    ("y = 2x + 3", "y = 2x + 4"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
]

UNSCORED = [
    ("5 monkeys", "5"),
    ("5 million", "5"),
    (r"5 \text{ million}", "5"),
    (r"5 \text{ dozen eggs}", "5"),
    ("x^2+", "3"),
    (r"\frac{1}{", "3"),
    (r"\frac{1}{0}", "3"),
    ("the red ball", "red"),
    ("1 2", "12"),
    ("Monday, 5 dogs", "Monday, 5"),
]


class TestRules:
    @pytest.mark.parametrize(("gold", "answer"), EQUAL_EXACTLY)
    def test_equal_without_algebra(self, gold: str, answer: str) -> None:
        assert exact(gold, answer) is Verdict.EQUAL

    @pytest.mark.parametrize(("gold", "answer"), DIFFERENT_EXACTLY)
    def test_different_without_algebra(self, gold: str, answer: str) -> None:
        assert exact(gold, answer) is Verdict.DIFFERENT

    @pytest.mark.parametrize(("gold", "answer"), EQUAL_BY_ALGEBRA)
    def test_equal_by_algebra(self, gold: str, answer: str, grader: Grader) -> None:
        assert exact(gold, answer) is None
        assert grader.grade(gold, answer).verdict is Verdict.EQUAL

    @pytest.mark.parametrize(("gold", "answer"), DIFFERENT_BY_ALGEBRA)
    def test_different_by_algebra(self, gold: str, answer: str, grader: Grader) -> None:
        assert grader.grade(gold, answer).verdict is Verdict.DIFFERENT

    @pytest.mark.parametrize(("gold", "answer"), UNSCORED)
    def test_what_cannot_be_judged_is_unscored(self, gold: str, answer: str, grader: Grader) -> None:
        assert grader.grade(gold, answer).verdict is Verdict.UNSCORED

    @pytest.mark.parametrize("text", ["5 monkeys", "x^2+", "((", r"\frac{1}{0}", "\\"])
    def test_the_same_text_is_equal_even_if_no_parser_reads_it(self, text: str) -> None:
        assert exact(text, f" {text}\n") is Verdict.EQUAL

    @pytest.mark.parametrize("answer", [None, "", "  "])
    def test_no_answer_is_different_and_no_gold_is_unscored(self, answer: str | None, grader: Grader) -> None:
        assert grader.grade("5", answer) == Grade(Verdict.DIFFERENT, "no answer")
        assert grader.grade(answer, "5") == Grade(Verdict.UNSCORED, "no gold answer")


ATOMS = st.one_of(
    st.integers(-50, 50).map(str),
    st.sampled_from([r"\frac{1}{2}", "0.5", "50%", r"\sqrt{2}", "x", "x=5", "2x+1", "y=2x", "204_5", r"30^\circ"]),
    st.sampled_from([r"\text{east}", "(A)", "A", r"\pi", "1 \\pm 2", "3 cm", "x>1", r"\{1,2\}", "", "e", "))", "$"]),
)
ANSWERS = st.one_of(
    ATOMS,
    st.lists(ATOMS, min_size=2, max_size=3).map(", ".join),
    st.lists(ATOMS, min_size=2, max_size=3).map(lambda items: f"({', '.join(items)})"),
    st.text(st.sampled_from("()[]{}\\,^_%$=<> abx123./"), max_size=20),
    st.text(max_size=20),
)


class TestProperties:
    @given(ANSWERS, ANSWERS)
    def test_the_exact_path_is_symmetric(self, first: str, second: str) -> None:
        assert exact(first, second) == exact(second, first)

    @given(ANSWERS)
    def test_an_answer_equals_itself_and_its_boxed_self(self, answer: str) -> None:
        assert exact(answer, answer) is Verdict.EQUAL

    @given(st.fractions(max_denominator=500), st.fractions(max_denominator=500))
    def test_fractions_are_compared_exactly(self, first: object, second: object) -> None:
        expected = Verdict.EQUAL if first == second else Verdict.DIFFERENT
        assert exact(str(first), str(second)) is expected

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-9999, max_value=9999))
    def test_a_decimal_equals_the_fraction_it_is(self, value: object) -> None:
        numerator, denominator = value.as_integer_ratio()  # type: ignore[attr-defined]
        sign = "-" if numerator < 0 else ""
        assert exact(str(value), rf"{sign}\frac{{{abs(numerator)}}}{{{denominator}}}") is Verdict.EQUAL

    def test_the_whole_verdict_is_symmetric(self, grader: Grader) -> None:
        texts = sorted({text for pair in EQUAL_BY_ALGEBRA[:6] + DIFFERENT_BY_ALGEBRA[:4] for text in pair})
        pairs = list(itertools.combinations(texts, 2))
        there = list(grader.grade_many(pairs))
        assert there == list(grader.grade_many((second, first) for first, second in pairs))


class TestHostileAnswers:
    def test_a_tower_of_powers_times_out_and_the_next_pair_gets_a_new_worker(self) -> None:
        with Grader(timeout_s=1) as grader:
            assert grader.grade("9^{9^{9^9}}", "5") == Grade(Verdict.UNSCORED, "timeout")
            assert grader.grade(r"\sqrt{8}", r"2\sqrt{2}").verdict is Verdict.EQUAL

    @pytest.mark.parametrize("text", ["(" * 5000, "1," * 3000, "{" * 1900, r"\frac" * 100, "9" * 1999, "1e999999"])
    def test_long_and_nested_answers_are_bounded(self, text: str, grader: Grader) -> None:
        assert grader.grade(text, r"\sqrt{2}").verdict in (Verdict.UNSCORED, Verdict.DIFFERENT)

    def test_longer_than_the_limit_is_unscored_unless_the_same_text(self) -> None:
        long = "1+" * MAX_CHARS
        assert exact(long, "5") is Verdict.UNSCORED
        assert exact(long, long) is Verdict.EQUAL


class TestGrader:
    def test_many_pairs_keep_their_order_and_are_read_as_they_are_needed(self) -> None:
        read = 0

        def pairs() -> Iterator[tuple[str, str]]:
            nonlocal read
            for number in itertools.count():
                read += 1
                yield str(number), "7" if number % 2 else rf"\sqrt{{{number * number}}}"

        with Grader(workers=2) as grader:
            grades = list(itertools.islice(grader.grade_many(pairs()), 9))
        assert [grade.verdict is Verdict.EQUAL for grade in grades] == [n % 2 == 0 or n == 7 for n in range(9)]
        assert read <= 9 + 2 * 64

    def test_agrade_leaves_the_event_loop_free(self, grader: Grader) -> None:
        async def both() -> list[Grade]:
            return await asyncio.gather(grader.agrade(r"\sqrt{8}", r"2\sqrt{2}"), grader.agrade("1", "2"))

        assert [grade.verdict for grade in asyncio.run(both())] == [Verdict.EQUAL, Verdict.DIFFERENT]

    def test_a_killed_worker_leaves_the_pair_unscored_and_is_replaced(self) -> None:
        with Grader() as grader:
            assert grader.grade(r"\sqrt{8}", r"2\sqrt{2}").verdict is Verdict.EQUAL
            first = grader._workers[0]._process
            assert first is not None
            first.kill()
            first.wait()
            assert grader.grade(r"\sqrt{8}", r"3\sqrt{2}").verdict is Verdict.UNSCORED
            assert grader.grade(r"\sqrt{8}", r"3\sqrt{2}").verdict is Verdict.DIFFERENT
            second = grader._workers[0]._process
        assert second is not None
        assert second.poll() is not None  # closing ended it

    def test_exact_pairs_start_no_process(self) -> None:
        with Grader() as grader:
            grader.grade("1/2", "0.5")
            assert grader._workers[0]._process is None

    @pytest.mark.parametrize("options", [{"workers": 0}, {"timeout_s": 0}])
    def test_bounds_must_be_positive(self, options: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="must be positive"):
            Grader(**options)


class TestRulesDisagree:
    def test_another_verdict_of_another_rule_leaves_the_pair_unscored_and_named(self) -> None:
        grade = settle(Grade(Verdict.EQUAL, "by algebra"), [("numeric", Grade(Verdict.DIFFERENT, "at points"))])
        assert grade.verdict is Verdict.UNSCORED
        assert grade.reason == f"{DISAGREE}: cort equal (by algebra), numeric different (at points)"

    @pytest.mark.parametrize("opinion", [None, Grade(Verdict.UNSCORED, "?"), Grade(Verdict.EQUAL, "yes")])
    def test_no_opinion_and_the_same_one_leave_the_verdict(self, opinion: Grade | None) -> None:
        assert settle(Grade(Verdict.EQUAL, "r"), [("numeric", opinion)]) == Grade(Verdict.EQUAL, "r")

    def test_what_the_first_rule_cannot_judge_no_other_rule_decides(self) -> None:
        first = Grade(Verdict.UNSCORED, "timeout")
        assert settle(first, [("numeric", Grade(Verdict.EQUAL, "yes"))]) == first

    def test_a_disagreement_in_the_worker_and_one_in_this_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cort_data.grading.compare.read", lambda text: Words(text[0]))  # a bug in the first reader
        with Grader() as grader:
            assert grader.grade("12", "13").reason.startswith(DISAGREE)
            assert grader.grade("12", "12.0").verdict is Verdict.EQUAL

    def test_an_unknown_rule_is_refused_with_the_names(self) -> None:
        with pytest.raises(
            RecipeError, match=r"unknown grading rule 'numerc'; did you mean numeric\? there are numeric"
        ):
            Grader(rules=["numerc"])

    def test_a_rule_of_another_distribution_judges_in_the_worker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = tmp_path / "brought-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[cort_data.graders]\nstrict = brought:judge\nbroken = brought:nothing\n"
        )
        (tmp_path / "brought.py").write_text(
            "from cort_data.grading import Grade, Verdict\n"
            "def judge(first, second):\n"
            "    return Grade(Verdict.DIFFERENT, 'not the same text')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with Grader(rules=["strict"]) as grader:
            assert grader.grade("1/2", "0.5").reason.endswith("strict different (not the same text)")
            assert grader.grade("1/2", "1/2").verdict is Verdict.EQUAL
        with pytest.raises(RecipeError, match=r"'broken' \(entry point brought:nothing\) cannot be loaded"):
            Grader(rules=["broken"])


class TestOurPairs:
    """The labelled pairs: no false accept, no false reject; benchmarks/grading.py measures the rates."""

    def test_verdicts_agree_with_the_labels(self, grader: Grader) -> None:
        rows = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
        assert len(rows) >= 500
        answers = [row["answer"] if "answer" in row else extract_answer(row["completion"]) for row in rows]
        grades = grader.grade_many((row["gold"], answer) for row, answer in zip(rows, answers, strict=True))
        wrong = [
            (row["gold"], answer, grade)
            for row, answer, grade in zip(rows, answers, grades, strict=True)
            if grade.verdict not in (row["verdict"], Verdict.UNSCORED)
        ]
        assert not wrong
