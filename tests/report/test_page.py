import re
from html.parser import HTMLParser

import pytest

from cort_data.errors import RunError
from cort_data.report.page import write_report
from tests.report.samples import EVIL, trace, write_run, write_stage


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
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page.read_text(), re.DOTALL)
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


def test_rows_have_accuracy_and_the_papers_stand_beside_them(finished):
    rows = {row[0]: row for row in cells(finished) if row}
    assert rows["m/none"][2].startswith("33.3")
    assert rows["m/hints"][2].startswith("100.0")
    assert "Δ +66.7" in rows["m/hints"][2]
    assert rows["CoRT: R1-Distill-32B"][2] == "94.3"


def test_rows_stand_in_the_order_of_the_recipe(finished):
    names = [row[0] for row in cells(finished) if row]
    assert names.index("m/none") < names.index("m/hints")


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
    assert {"funnel_filter.svg", "cap_math500.svg", "pass_math500.svg", "lengths.svg", "behaviour_1.svg"} <= names


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
    assert "m/none: only 0 traces could be read" in text
