"""Import of problems: every format, bad rows, duplicates, leaks, and what is left on disk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from cort_data import row_sources
from cort_data.errors import CortError
from cort_data.json_lines import BadLine, Row
from cort_data.row_sources import read_source
from cort_data.stages.problem_sources import stated_answer, to_problem
from cort_data.stages.problems import Dropped, ImportOptions, dropped_file, import_problems
from cort_data.traces_io import read_problems

LONG = "A farmer has 12 cows and sells 5 of them to a friend who lives 30 miles away. How many cows are left?"
ROWS = [{"id": "a", "problem": LONG, "answer": "7"}, {"id": "b", "problem": "What is 2 + 2?", "answer": 4}]


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def array(path: Path, rows: list[Any]) -> str:
    path.write_text("\ufeff" + json.dumps(rows, indent=2), encoding="utf-8")
    return str(path)


def parquet(path: Path, rows: list[Any]) -> str:
    columns = [{key: str(value) for key, value in row.items()} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(columns), path)
    return str(path)


@pytest.mark.parametrize(
    ("write", "name"), [(jsonl, "s.jsonl"), (jsonl, "s.json"), (array, "s.json"), (parquet, "s.parquet")]
)
def test_every_format_gives_the_same_problems(write: Any, name: str, tmp_path: Path) -> None:
    source, out = write(tmp_path / name, ROWS), tmp_path / "new" / "out.jsonl"
    report = import_problems([source], out)
    assert (report.read, report.kept, report.bad) == (2, 2, [])
    assert [(p.id, p.text, p.answer, p.source) for p in read_problems(out)] == [
        ("a", LONG, "7", "s"),
        ("b", "What is 2 + 2?", "4", "s"),
    ]


def test_an_array_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sources, "_CHUNK", 7)
    source = array(tmp_path / "s.json", ROWS * 20)
    assert [row.fields["id"] for row in read_source(source) if isinstance(row, Row)] == ["a", "b"] * 20


def test_a_torn_array_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('[{"id": 1}, 5, {"id": 2', encoding="utf-8")
    first, number, torn = read_source(str(path))
    assert isinstance(first, Row)
    assert isinstance(number, BadLine)
    assert "the rest of the file cannot be read" in str(torn)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"answer": " 5 "}, "5"),
        ({"gold": 5}, "5"),
        ({"answer": "48 / 2 = 24 clips.\n#### 72"}, "72"),
        ({"solution": r"So $x = \boxed{\frac{1}{2}}$."}, r"\frac{1}{2}"),
        ({"answer": "", "solution": r"\boxed{3}"}, "3"),
        ({"solution": "no box"}, None),
        ({"answer": None}, None),
        ({"answer": ["1"]}, None),
    ],
)
def test_the_answer_is_found_where_data_sets_state_it(fields: dict[str, Any], answer: str | None) -> None:
    assert stated_answer(Row("f:1", fields)) == answer


@pytest.mark.parametrize("key", ["problem", "question", "prompt", "text"])
def test_the_text_has_many_names_and_missing_ids_are_numbered(key: str) -> None:
    problem = to_problem(Row("f.jsonl:3", {key: "What?", "answer": "1", "subject": "Algebra"}), "mine")
    assert not isinstance(problem, BadLine)
    assert (problem.id, problem.text, problem.source, problem.topic) == ("mine-3", "What?", "mine", "Algebra")


def test_bad_lines_are_listed_and_the_rest_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    good = json.dumps(ROWS[0]).encode()
    path.write_bytes(
        b"\n".join([good, b"{", b'{"problem": "x"}', b"\xff", b'{"answer": 1}', b'{"problem":"\\ud800","answer":"1"}'])
    )
    report = import_problems([str(path)], tmp_path / "out.jsonl")
    assert report.kept == 1
    assert [line.where.rpartition(":")[2] for line in report.bad] == ["2", "3", "4", "5", "6"]
    assert [line.problem.split(" (")[0].split(";")[0] for line in report.bad] == [
        "not JSON",
        "no answer",
        "not UTF-8",
        "no problem text",
        "half a surrogate pair, which is no text",
    ]


def test_a_problem_is_imported_once(tmp_path: Path) -> None:
    rows = [
        ROWS[0],
        {"id": "spaced", "problem": LONG.replace(" ", "  "), "answer": "7"},
        {"id": "reworded", "problem": LONG.replace("a friend", "some friend"), "answer": "7"},
        {"id": "other numeral", "problem": LONG.replace("12", "19"), "answer": "14"},
        {"id": "other question", "problem": LONG.replace("cows are left", "are sold"), "answer": "5"},
    ]
    out = tmp_path / "out.jsonl"
    report = import_problems([jsonl(tmp_path / "s.jsonl", rows)], out, options=ImportOptions(near_threshold=0.7))
    assert [problem.id for problem in read_problems(out)] == ["a", "other numeral", "other question"]
    assert report.dropped == {Dropped.EXACT_DUPLICATE: 1, Dropped.NEAR_DUPLICATE: 1}
    dropped = [json.loads(line) for line in dropped_file(out).read_text(encoding="utf-8").splitlines()]
    assert [(line["reason"], line["like"], line["problem"]["id"]) for line in dropped] == [
        ("exact_duplicate", "a", "spaced"),
        ("near_duplicate", "a", "reworded"),
    ]


def test_duplicates_are_found_across_sources(tmp_path: Path) -> None:
    sources = [jsonl(tmp_path / name, ROWS) for name in ("one.jsonl", "two.jsonl")]
    report = import_problems(sources, tmp_path / "out.jsonl")
    assert (report.read, report.kept, report.dropped[Dropped.EXACT_DUPLICATE]) == (4, 2, 2)


def test_an_id_on_two_problems_is_a_bad_row(tmp_path: Path) -> None:
    rows = [ROWS[0], {**ROWS[1], "id": "a"}]
    report = import_problems([jsonl(tmp_path / "s.jsonl", rows)], tmp_path / "out.jsonl")
    assert report.kept == 1
    assert "the id 'a' stands on another problem too" in str(report.bad[0])


def test_a_planted_leak_is_dropped_and_the_same_template_kept(tmp_path: Path) -> None:
    template = LONG.replace("12", "19").replace("5", "6").replace("30", "44")
    rows = [
        {"id": "leak", "problem": f"Think. {LONG}", "answer": "7"},
        {"id": "kin", "problem": template, "answer": "13"},
    ]
    guard = jsonl(tmp_path / "eval.jsonl", [{"id": "eval-1", "question": LONG}])
    out = tmp_path / "out.jsonl"
    report = import_problems([jsonl(tmp_path / "s.jsonl", rows)], out, against=[guard])
    assert [problem.id for problem in read_problems(out)] == ["kin"]
    assert report.dropped == {Dropped.CONTAMINATED: 1}


@pytest.mark.parametrize("line", ["{", '{"answer": 1}'])
def test_a_hole_in_the_guard_is_refused(line: str, tmp_path: Path) -> None:
    guard = tmp_path / "eval.jsonl"
    guard.write_text(line, encoding="utf-8")
    with pytest.raises(CortError, match=r"eval\.jsonl:1: "):
        import_problems([jsonl(tmp_path / "s.jsonl", ROWS)], tmp_path / "out.jsonl", against=[str(guard)])
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_source_leaves_an_earlier_result_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("earlier", encoding="utf-8")
    with pytest.raises(CortError, match="holds no problems: it is empty"):
        import_problems([jsonl(tmp_path / "s.jsonl", [])], out)
    assert out.read_text(encoding="utf-8") == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "s.jsonl"]


@pytest.mark.parametrize("name", ["missing.jsonl", "no such file", "a/b.parquet"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CortError, match="No such file"):
        import_problems([str(tmp_path / name)], tmp_path / "out.jsonl")


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    path.write_text("no parquet, but long enough to look for a footer", encoding="utf-8")
    with pytest.raises(CortError, match=r"s\.parquet: not a parquet file"):
        import_problems([str(path)], tmp_path / "out.jsonl")


def test_a_full_disk_is_one_line_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "out.jsonl")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CortError, match=r"cannot write out\.jsonl: No space left on device; nothing was imported"):
        import_problems([jsonl(tmp_path / "s.jsonl", ROWS)], tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]


class TestHub:
    def test_a_hub_name_is_streamed_with_its_config_and_split(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []

        def load(name: str, config: str | None, *, split: str, streaming: bool) -> Iterator[dict[str, Any]]:
            asked.append((name, config, split, streaming))
            return iter([{"question": "Q?", "answer": "work\n#### 3"}])

        monkeypatch.setattr("datasets.load_dataset", load)
        (row,) = read_source("openai/gsm8k:main@test")
        assert asked == [("openai/gsm8k", "main", "test", True)]
        assert isinstance(row, Row)
        assert (row.where, stated_answer(row)) == ("openai/gsm8k:1", "3")

    def test_what_the_hub_refuses_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(*_: object, **__: object) -> None:
            raise ValueError("Unknown split\nand much more")

        monkeypatch.setattr("datasets.load_dataset", load)
        with pytest.raises(
            CortError, match=r"cannot read the data set a/b \(split train\) from the Hub: Unknown split$"
        ):
            list(read_source("a/b"))


def test_unsuitable_problems_and_other_levels_are_left_out_with_their_reason(tmp_path):
    rows = [
        {"id": "a", "problem": "How many of the numbers from 1 to 40 are prime?", "answer": "12", "level": "Level 5"},
        {"id": "b", "problem": "Prove that there are infinitely many primes.", "answer": "yes", "level": "Level 5"},
        {"id": "c", "problem": "How many of the numbers from 1 to 50 are square?", "answer": "7", "level": "Level 2"},
        {"id": "d", "problem": "In the figure, what is x?", "answer": "7", "level": "5"},
    ]
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = import_problems([str(source)], out, options=ImportOptions(suitable=True, levels=("5",)))
    assert (report.kept, dict(report.dropped)) == (1, {"proof": 1, "level": 1, "figure": 1})
    assert json.loads(out.read_text())["id"] == "a"
