import json

import pytest
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import RunError
from cort_data.evaluation.comparison import Side, compare_runs
from cort_data.evaluation.scores import FILE, write_scores

from .builders import score


def run(path, rate, policy="none", model="m", problems=20, samples=4, **changes):
    """A run in which `rate(problem, sample)` says what is right."""
    (path / "eval").mkdir(parents=True, exist_ok=True)
    scores = [
        score(f"p{i}", s, rate(i, s), policy=policy, model=model, generated=100 + i, **changes)
        for i in range(problems)
        for s in range(samples)
    ]
    write_scores(path / "eval" / FILE, scores)
    return Side(path)


def test_a_clear_difference_is_separable(tmp_path):
    first = run(tmp_path / "a", lambda i, s: s == 0)
    second = run(tmp_path / "b", lambda i, s: s < 3 or i % 2 == 0)
    [found] = compare_runs(first, second)
    assert found.differences["accuracy"].value == pytest.approx(0.625)
    assert found.differences["accuracy"].beyond
    assert found.values[0]["pass@4"] == 1
    assert next(found.verdicts()) == "accuracy: separable"


def test_a_small_one_is_not_and_it_says_what_it_would_take(tmp_path):
    first = run(tmp_path / "a", lambda i, s: (i + s) % 2 == 0)
    second = run(tmp_path / "b", lambda i, s: (i * 7 + s * 3) % 4 < 2 or (i, s) == (0, 1))
    [found] = compare_runs(first, second)
    assert not found.differences["accuracy"].beyond
    assert found.needs["accuracy"].problems > 20
    text = next(found.verdicts())
    assert text.startswith("accuracy: not separable; a difference from")
    assert f"{found.needs['accuracy'].problems:,} problems" in text


def test_arms_pair_by_policy_or_one_with_one(tmp_path):
    one = run(tmp_path / "a", lambda i, s: True, policy="none")
    other = run(tmp_path / "b", lambda i, s: True, policy="text")
    [found] = compare_runs(one, other)
    assert (found.first, found.second) == ("m none", "m text")
    with pytest.raises(RunError, match="no such model and policy; it has m test none"):
        compare_runs(Side(one.run, policy="text"), other)


def test_problems_of_one_side_do_not_count(tmp_path):
    one = run(tmp_path / "a", lambda i, s: True, problems=20)
    other = run(tmp_path / "b", lambda i, s: True, problems=15)
    [found] = compare_runs(one, other)
    assert (found.problems, found.only) == (15, (5, 0))


def test_changed_problems_and_unfinished_runs_are_refused(tmp_path):
    one = run(tmp_path / "a", lambda i, s: True)
    other = run(tmp_path / "b", lambda i, s: True, digest="another")
    with pytest.raises(RunError, match="20 problems are not the same on both sides"):
        compare_runs(one, other)
    with pytest.raises(RunError, match="no graded evaluation in there"):
        compare_runs(one, Side(tmp_path / "c"))


def test_the_command(tmp_path):
    one = run(tmp_path / "a", lambda i, s: s == 0)
    other = run(tmp_path / "b", lambda i, s: s < 3)
    result = CliRunner().invoke(app, ["compare", str(one.run), str(other.run)])
    assert result.exit_code == 0
    assert "accuracy" in result.stdout
    assert "+50.0%*" in result.stdout
    assert "tokens generated: not separable" in result.stdout
    result = CliRunner().invoke(app, ["compare", str(one.run), str(other.run), "--json"])
    found = json.loads(result.stdout)
    assert found["differences"]["accuracy"]["separable"]
