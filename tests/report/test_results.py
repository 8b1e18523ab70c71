import json

import pytest

from cort_data.errors import RecipeError
from cort_data.report.results import write_results


def rendered(tmp_path, **files):
    for name, tree in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(tree))
    return write_results(tmp_path, tmp_path / "R.md").read_text()


def test_a_section_has_its_command_and_machine(tmp_path):
    text = rendered(tmp_path, speed={"what": "how fast", "command": "python x.py", "machine": "2 cores", "n": 12345})
    assert "## speed\n\nHow fast.\n\nCommand: `python x.py`. Machine: 2 cores. File: `speed.json`" in text
    assert "| n | 12,345 |" in text


def test_what_was_not_recorded_is_said(tmp_path):
    assert "Command: not recorded. Machine: not recorded." in rendered(tmp_path, a={"n": 1})


def test_rows_become_a_table_and_differences_join_their_values(tmp_path):
    interval = {"value": 0.15, "low": 0.1, "high": 0.2, "beyond_interval": True}
    rows = [{"policy": "none", "accuracy": 0.5, "difference": None},
            {"policy": "hint_x", "accuracy": 0.65, "difference": {"accuracy": interval}}]  # fmt: skip
    text = rendered(tmp_path, a={"rows": rows})
    assert "| policy | accuracy |" in text
    assert r"| hint\_x | 0.65, Δ +0.15\* (0.1 … 0.2) |" in text


def test_like_objects_become_rows_with_their_names(tmp_path):
    text = rendered(tmp_path, a={"models": {"small": {"x": 1, "deep": {"y": 2}}, "large": {"x": 3, "deep": {"y": 4}}}})
    assert "|  | x | deep: y |\n|---|---:|---:|\n| small | 1 | 2 |\n| large | 3 | 4 |" in text


def test_an_object_with_a_command_is_a_section_of_its_own(tmp_path):
    text = rendered(tmp_path, a={"part": {"command": "make part", "machine": "m", "n": 1}})
    assert "### part\n\nCommand: `make part`" in text


def test_a_wide_table_is_turned(tmp_path):
    row = {f"c{i}": i for i in range(20)}
    assert "| c19 | 19 | 19 |" in rendered(tmp_path, a={"rows": {"one": row, "two": row}})


def test_marks_of_markdown_in_values_are_escaped(tmp_path):
    assert r"| x | a\|b \*c &lt;d |" in rendered(tmp_path, a={"x": "a|b *c <d"})


def test_a_folder_without_files_and_a_broken_file_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no results files"):
        write_results(tmp_path, tmp_path / "R.md")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RecipeError, match=r"a\.json: not a results file"):
        write_results(tmp_path, tmp_path / "R.md")


def test_the_repositorys_own_results_render(tmp_path, request):
    text = write_results(request.config.rootpath / "docs" / "results", tmp_path / "R.md").read_text()
    assert "## behaviour" in text
