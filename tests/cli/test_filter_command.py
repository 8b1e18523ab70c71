"""`cort filter` and `cort show` as they are typed."""

import json
import sys

import pytest
from builders import GOOD, make_trace

from cort_data import cli

RECIPE = """\
name: small
problems: {test: guarded.jsonl}
engine: {model: none}
filters:
  - format
  - answer
  - {name: over_length, tokens: 60}
stages: [eval]
"""


@pytest.fixture
def cort(monkeypatch, capsys, tmp_path):
    """Runs a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["cort", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def files(cort, tmp_path):
    """Two good traces and a wrong one, a foreign file and a recipe, in the current folder."""
    traces = [make_trace(id="a"), make_trace(GOOD.replace("29842}", "5}"), id="b"), make_trace(GOOD + " Yes.", id="c")]
    (tmp_path / "traces.jsonl").write_text("".join(t.to_json() + "\n" for t in traces))
    foreign = {"id": "f", "problem": "Area?", "completion": GOOD, "answer": "29842"}
    (tmp_path / "foreign.jsonl").write_text(json.dumps(foreign) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "guarded.jsonl").write_text(make_trace(problem="Add 5 and 6.").problem.model_dump_json() + "\n")


@pytest.mark.usefixtures("files")
def test_filter_writes_and_prints_the_funnel(cort, tmp_path):
    code, out, _ = cort("filter", "--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--out", "out", "--json")
    assert code == 0
    assert json.loads(out) == {"stage": "filter", "in": 3, "kept": 2, "dropped": {"wrong": 1}}
    assert json.loads((tmp_path / "out" / "funnel.json").read_text()) == json.loads(out)
    assert len((tmp_path / "out" / "kept.jsonl").read_text().splitlines()) == 2


@pytest.mark.usefixtures("files")
def test_filter_goes_on_and_refuses_to_mix(cort):
    words = ("filter", "--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--out", "out")
    first = cort(*words)
    assert cort(*words)[:2] == first[:2]
    code, _, err = cort(*words, "--set", "filters.2.tokens=5")
    assert code == 2
    assert "filters.2.tokens 60 → 5" in err


@pytest.mark.usefixtures("files")
def test_a_folder_of_the_users_is_left_alone(cort, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    code, _, err = cort("filter", "--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--out", "out")
    assert code == 2
    assert "not empty" in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("files")
def test_what_if_prints_and_writes_nothing(cort, tmp_path):
    before = sorted(tmp_path.iterdir())
    words = ("filter", "--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--what-if", "over_length.tokens=5,60")
    _, out, _ = cort(*words, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["value"], row["kept"]) for row in rows] == [(5, 0), (60, 2)]
    assert rows[1]["unique_drops"] == {"format": 0, "answer": 1, "over_length": 0}
    _, out, _ = cort(*words)
    assert "over_length.tokens" in out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("files")
def test_foreign_lines_need_a_profile(cort):
    words = ("filter", "--traces", "foreign.jsonl", "--recipe", "recipe.yaml")
    code, _, err = cort(*words, "--out", "without")
    assert code == 2
    assert "foreign.jsonl:1: a foreign line" in err
    assert "--profile" in err
    lenient = ("--set", "filters=[format, answer]")
    code, out, _ = cort(*words, *lenient, "--out", "with", "--profile", "plain", "--json")
    assert json.loads(out)["kept"] == 1


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--traces", "nothing.jsonl", "--out", "o"), "nothing.jsonl"),
        (("--traces", "traces.jsonl"), "--out DIR is required"),
        (("--traces", "traces.jsonl", "--set", "seed=2", "--out", "o"), "--recipe"),
        (("--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--set", "filters.2.name=no", "--out", "o"), "no"),
    ],
)
def test_bad_usage_is_one_line(cort, words, message):
    code, out, err = cort("filter", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("files")
def test_show(cort):
    cort("filter", "--traces", "traces.jsonl", "--recipe", "recipe.yaml", "--out", "out")
    _, out, _ = cort("show", "out", "--where", "reason=wrong")
    assert "trace b" in out
    assert "trace a" not in out
    _, out, _ = cort("show", "out:c", "--json")
    assert json.loads(out)["id"] == "c"
    _, out, _ = cort("show", "traces.jsonl:1", "--tokens")
    assert "mask 0" in out
    _, out, _ = cort("show", "out", "--json", "--sample", "0")
    assert len(out.splitlines()) == 3
    code, out, err = cort("show", "out", "--where", "reason=loop")
    assert (code, out, err) == (0, "", "no trace fits\n")
    assert cort("show", "nothing")[0] == 2
