"""`cort new`: what it lays out is valid, and nothing that is there is touched."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from cort_data.errors import RecipeError
from cort_data.project import new_project, project_name
from cort_data.recipe import load_recipe
from cort_data.stages.problems import ImportOptions, import_problems


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work") / "My first project!"
    new_project(folder)
    return folder


def cort(folder, *words):
    command = [sys.executable, "-m", "cort_data", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_files_carry_the_projects_name(project):
    names = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert names == {
        *("README.md", "recipe.yaml", "problems.jsonl"),
        *("hints/on_paper.md", "seeds/odd-digit-primes.md"),
    }
    assert load_recipe(project / "recipe.yaml").name == "My-first-project"
    assert "runs/My-first-project" in (project / "README.md").read_text()
    assert not any("PROJECT" in path.read_text() for path in project.rglob("*") if path.is_file())


def test_its_hint_and_its_seed_hold(project):
    checked = cort(project, "hints", "check", "hints")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "1 hints hold, 0 do not" in checked.stderr
    checked = cort(project, "seeds", "check", "seeds", "--isolation", "none")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "1 seeds checked, 0 with complaints" in checked.stderr


def test_its_problems_can_be_imported(project, tmp_path):
    report = import_problems([str(project / "problems.jsonl")], tmp_path / "out.jsonl", options=ImportOptions())
    assert (report.bad, report.kept) == ([], 8)


def test_its_recipe_writes_traces_with_its_hint(project, tmp_path):
    pytest.importorskip("torch")
    folder = shutil.copytree(project, tmp_path / "copy")
    settings = ["problems.synth.n=2", "rollout.samples=1", "interpreter.isolation=none"]
    words = [word for setting in settings for word in ("--set", setting)]
    done = cort(folder, "run", "recipe.yaml", "--until", "synth", *words)
    assert done.returncode == 0, done.stderr
    [file] = (folder / "runs" / "My-first-project" / "synth").glob("traces-*.jsonl")
    traces = [json.loads(line) for line in file.read_text().splitlines()]
    assert [trace["policy"] for trace in traces] == ["hint_engineering+on_paper"] * 2


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RecipeError, match="is not empty; name a new folder"):
        new_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(RecipeError, match="cannot be written"):
        new_project(tmp_path / "mine.txt" / "project")


def test_an_empty_folder_will_do(tmp_path):
    assert len(new_project(tmp_path)) == 5


@pytest.mark.parametrize(
    ("folder", "name"), [("a b", "a-b"), ("-x-", "x"), ("проект", "project"), ("v1.2_c", "v1.2_c")]
)
def test_any_folder_gives_a_name_for_a_recipe(tmp_path, folder, name):
    assert project_name(tmp_path / folder) == name
    new_project(tmp_path / folder)
    assert yaml.safe_load((tmp_path / folder / "recipe.yaml").read_text())["name"] == name
