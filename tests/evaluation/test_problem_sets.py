import json

import pytest

from cort_data.errors import RecipeError
from cort_data.evaluation import problem_sets
from cort_data.evaluation.problem_sets import known_sets, load_set
from cort_data.evaluation.settings import EvalSet
from cort_data.json_lines import Row


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        ("aime24", "aime24", None),
        ("mine.jsonl", "mine", "mine.jsonl"),
        ("data/mine.parquet", "mine", "data/mine.parquet"),
        ("aime24=here.jsonl", "aime24", "here.jsonl"),
        ("olymmath-en-hard", "olymmath-en-hard", None),
    ],
)
def test_a_set_in_short(text, name, source):
    part = EvalSet.model_validate(text)
    assert (part.name, part.source) == (name, source)


def test_all_named_sets_are_there():
    names = "aime24 aime25 amc23 math500 olympiadbench olymmath-en-easy olymmath-en-hard minerva gsm8k"
    assert set(known_sets()) == set(names.split())
    assert all(known.hub and known.problems for known in known_sets().values())


def test_a_local_file_takes_the_day_and_the_names_of_its_set(tmp_path):
    file = write(
        tmp_path / "a.jsonl",
        {"id": "60", "question": "What?", "answer": 25},
        {"id": "aime24-61", "problem": "Who?", "answer": "7", "released": "2024-02-07"},
    )
    first, second = load_set(EvalSet(name="aime24", source=str(file)), tmp_path / "none")
    assert (first.id, first.answer, first.released) == ("aime24-60", "25", "2024-01-31")
    assert (second.id, second.released) == ("aime24-61", "2024-02-07")
    assert len(load_set(EvalSet(name="aime24", source=str(file), n=1), tmp_path / "none")) == 1


def test_what_comes_from_the_hub_is_kept(tmp_path, monkeypatch):
    asked = []

    def rows(source):
        asked.append(source)
        yield Row("hub:1", {"question": "Find x, y.", "final_answer": ["$1$", "$2$"], "id": 1})

    monkeypatch.setattr(problem_sets, "read_source", rows)
    problem_sets._read.cache_clear()
    [problem] = load_set(EvalSet(name="olympiadbench"), tmp_path)
    assert asked == ["Hothan/OlympiadBench:OE_TO_maths_en_COMP@train"]
    assert (problem.id, problem.answer, problem.released) == ("olympiadbench-1", "$1$, $2$", "")
    monkeypatch.undo()
    assert load_set(EvalSet(name="olympiadbench"), tmp_path) == (problem,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a", "problem": "What?"}], "no answer.*an evaluation needs every answer"),
        ([{"id": "a", "problem": "x", "answer": 1}, {"id": "a", "problem": "y", "answer": 2}], "'own-a' stands twice"),
        ([], "holds no problems"),
        ([{"id": "a", "problem": "x", "answer": 1, "released": "May"}], "released"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused(tmp_path, rows, message):
    file = write(tmp_path / "own.jsonl", *rows)
    with pytest.raises(RecipeError, match=message):
        load_set(EvalSet(name="own", source=str(file)), tmp_path / "none")


def test_an_unknown_name_is_refused_with_the_names():
    with pytest.raises(RecipeError, match=r"no problem set named 'aime23'; there are aime24, aime25"):
        load_set(EvalSet(name="aime23"), problem_sets.Path("none"))
