import asyncio
import json
import re
from html.parser import HTMLParser

import pytest
import yaml

from cort_data.errors import RecipeError, RunError
from cort_data.report.page import write_report
from cort_data.report.reading import read_run
from cort_data.report.row import short_names
from cort_data.stages import evaluate
from tests.report.samples import EVIL, trace, write_run, write_stage
from tests.stages.fakes import recipe, write_problems


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("runs") / "done")
    return write_report(run, run / "report.html")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags(page):
    parser = Tags()
    parser.feed(page.read_text())
    return parser.found


def cells(page):
    """The rows of all tables as lists of text."""
    return cells_of(page.read_text())


def cells_of(text):
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    return [[" ".join(re.sub("<[^>]+>", " ", c).split()) for c in re.split(r"<t[dh][^>]*>", row)[1:]] for row in rows]


def test_the_page_needs_nothing_from_elsewhere(finished):
    text = finished.read_text()
    for tag, attributes in tags(finished):
        assert tag not in ("script", "link", "img", "iframe", "object")
        assert not any(attributes.get(name, "#").startswith(("http", "//")) for name in ("src", "href"))
    assert "default-src 'none'" in text
    assert "url(" not in text


def test_texts_of_models_and_recipes_are_escaped(finished):
    text = finished.read_text()
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert "<b>algebra" not in text


def table(page, title):
    """Name of a row → the texts of its cells, of the table below a heading; names stand above the cells."""
    rows = cells_of(page.read_text().partition(f"<h3>{title}</h3>")[2].partition("</table>")[0])
    return {name[0]: row for name, row in zip(rows[1::2], rows[2::2], strict=True)}


def test_rows_have_accuracy_and_the_papers_stand_beside_them(finished):
    rows = table(finished, "math500")
    assert rows["m none 6 traces"][0].startswith("33.3")
    assert rows["m hints 6 traces"][0].startswith("100.0")
    assert "Δ +66.7" in rows["m hints 6 traces"][0]
    assert rows["CoRT: R1-Distill-32B"][0] == "94.3"


def test_rows_stand_in_the_order_of_the_recipe(finished):
    text = finished.read_text()
    assert text.index("m none") < text.index("m hints")


def evaluated(run, tmp_path, *sets, **changes):
    """A run with an evaluation that the stage itself has made."""
    mine = recipe(tmp_path, *sets, stages=["eval"], **changes)
    run.save_recipe(mine)
    asyncio.run(evaluate.evaluate(run, mine))
    return mine


def test_the_page_has_the_numbers_of_the_results(tmp_path, run, engine):
    one, two = write_problems(tmp_path / "aime24.jsonl", 4), write_problems(tmp_path / "math500.jsonl", 6)
    evaluated(run, tmp_path, f"eval.sets=[{one}, {two}]", "eval.policies=[text, none]", "eval.models=[a, x/b]")
    results = json.loads((run.path / "eval" / "results.json").read_text())
    read = read_run(run.path)
    mine = {(line.row.model, line.row.set, line.row.policy): line for line in read.lines}
    assert len(mine) == len(results["rows"]) == 8
    for row in results["rows"]:
        line = mine[row["model"], row["set"], row["policy"]]
        for name, bounds in row["intervals"].items():
            found = line.intervals[name]
            assert (found and found.value, found and [found.low, found.high]) == (row[name], bounds)
        assert (line.differences is None) == (row["difference"] is None)
        for name, difference in (row["difference"] or {}).items():
            assert (difference and difference["low"]) == (line.differences[name] and line.differences[name].low)
    means = {(mean["model"], mean["policy"]): mean["accuracy"]["value"] for mean in results["averages"]}
    assert means == {(mean.model, mean.policy): mean.values["accuracy"].value for mean in read.averages}


def test_several_sets_are_columns_beside_the_papers_and_tables_of_their_own(tmp_path, run, engine):
    one, two = write_problems(tmp_path / "aime24.jsonl", 4), write_problems(tmp_path / "other.jsonl", 3)
    evaluated(run, tmp_path, f"eval.sets=[{one}, {two}]", "eval.policies=[text, none]", "eval.samples=4")
    page = write_report(run.path, tmp_path / "page.html")
    rows = {row[0]: row for row in cells(page) if row}
    assert rows["model and policy"][1:] == ["aime24 %", "other %", "mean %"]
    assert rows["CoRT: R1-Distill-32B"][1:] == ["72.9", "", ""]
    assert "fake none, with code" in page.read_text()
    assert "fake text, without code" in page.read_text()
    names = {file.name for file in (tmp_path / "page_figures").iterdir()}
    assert {f"{kind}_{part}.svg" for kind in ("cap", "pass", "lengths") for part in ("aime24", "other")} <= names


def test_problems_from_before_and_after_a_cutoff_are_rows(tmp_path, run, engine):
    problems = write_problems(tmp_path / "dated.jsonl", 4)
    lines = [json.loads(line) for line in problems.read_text().splitlines()]
    days = ["2024-01-01", "2025-01-01"] * 2
    problems.write_text(
        "".join(json.dumps(line | {"released": day}) + "\n" for line, day in zip(lines, days, strict=True))
    )
    evaluated(run, tmp_path, f"eval.sets=[{problems}]", "eval.cutoffs={fake: '2024-06-30'}")
    text = write_report(run.path, tmp_path / "page.html").read_text()
    assert "problems from before the cutoff" in text
    assert "problems from after the cutoff" in text


def test_an_evaluation_that_goes_on_is_read_from_its_traces(tmp_path, run, engine):
    evaluated(run, tmp_path)
    before = read_run(run.path)
    for name in ("scores.jsonl", "results.json", "fake/none/manifest.json"):
        (run.path / "eval" / name).unlink()
    after = read_run(run.path)
    verdicts = [{score.id: score.verdict for score in found.rows[0].scores} for found in (before, after)]
    assert verdicts[0] == verdicts[1]
    assert after.lines[0].intervals["accuracy"] == before.lines[0].intervals["accuracy"]
    assert after.missing == ["eval/fake/none is not complete; what it has so far is shown",
                             "the results of the stage eval are not written yet (eval/results.json)"]  # fmt: skip


def test_what_the_recipe_asks_for_and_is_not_there_is_missing(tmp_path, run, engine):
    mine = evaluated(run, tmp_path)
    run.save_recipe(mine.model_copy(update={"eval": mine.eval.model_copy(update={"policies": ("none", "text")})}))
    assert read_run(run.path).missing == ["eval/fake/text has no traces yet"]


def test_a_model_that_writes_nothing_has_a_page(tmp_path, run, engine):
    engine._continue = lambda text, seed: [""]
    evaluated(run, tmp_path)
    text = write_report(run.path, tmp_path / "page.html").read_text()
    assert "fake none" in text
    assert "no_answer 12" in text


def test_traces_that_have_no_scores_are_graded_by_the_recipes_graders(tmp_path):
    run = write_run(tmp_path / "run")
    file = run / "recipe.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"graders": ["no_such"]}))
    with pytest.raises(RecipeError, match="no_such"):
        read_run(run)


def test_names_of_models_are_as_long_as_tells_them_apart():
    models = ["org/one", "runs/a/sft/model", "runs/b/sft/model", "runs/b/rft/round-1/model", "nano-student", "sft"]
    assert list(short_names(models).values()) == [
        "one", "a/sft/model", "b/sft/model", "round-1/model", "nano-student", "sft"
    ]  # fmt: skip
    assert short_names(["runs/a/model"]) == {"runs/a/model": "a/model"}
    assert short_names(["model"]) == {"model": "model"}


def test_the_funnel_counts_reasons_and_shows_an_example_of_each(finished):
    text = finished.read_text()
    assert "filter: an example of <em>wrong</em>" in text
    assert "filter: an example of <em>result_distrust</em>" in text


def test_hints_are_counted(finished):
    [row] = [row for row in cells(finished) if row and row[0] == "open"][:1]
    assert row[1] == "6"


def test_a_finished_run_is_not_called_unfinished(finished):
    assert "not finished" not in finished.read_text()


def test_the_figures_stand_beside_the_page(finished):
    names = {file.name for file in (finished.parent / "report_figures").iterdir()}
    assert {"funnel_filter.svg", "cap_test.svg", "pass_test.svg", "lengths_test.svg", "behaviour_1.svg"} <= names


def test_the_page_of_an_unfinished_run_says_what_is_missing(tmp_path):
    run = write_run(tmp_path / "run", complete=False, decided=False)
    text = write_report(run, tmp_path / "page.html").read_text()
    assert "This run is not finished." in text
    assert "the stage filter has not been run" in text
    assert "eval/m/hints is not complete" in text


def test_a_run_without_eval_is_drawn_from_synthesis(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text("name: small\nstages: [synth]\n")
    write_stage(run / "synth", [trace(n) for n in range(2)])
    text = write_report(run, tmp_path / "page.html").read_text()
    assert "Results</h2>" not in text
    assert "Accuracy against token cap" in text


@pytest.mark.parametrize(("files", "message"), [({}, "not a run"), ({"recipe.yaml": "name: x"}, "no traces")])
def test_what_is_no_run_or_has_no_traces_is_refused_in_one_line(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=message) as caught:
        write_report(tmp_path, tmp_path / "page.html")
    assert "\n" not in str(caught.value)


def test_a_line_that_cannot_be_read_ends_the_row_and_the_page_says_so(tmp_path):
    run = write_run(tmp_path / "run")
    shard = run / "eval" / "m" / "none" / "traces-00000.jsonl"
    shard.write_text(shard.read_text().replace('"stop_reason":"answered"', '"stop_reason":7', 1))
    text = write_report(run, tmp_path / "page.html").read_text()
    assert "eval/m/none: only 0 traces could be read" in text
