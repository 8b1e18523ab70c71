import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from cort_data import cli
from cort_data.errors import RecipeError

HEAVY = ("torch", "transformers", "datasets", "sympy", "pandas", "openai", "numpy", "pydantic")


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys\nfrom cort_data.cli import main\nsys.argv = ['cort', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    for name in cli.COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_there_and_shows_an_example(name):
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage: " in result.output


@pytest.mark.parametrize("name", ["run", "synth", "filter", "eval", "exec", "grade", "show"])
def test_a_command_with_options_shows_examples(name):
    assert "Examples: " in CliRunner().invoke(cli.app, [name, "--help"]).output


def test_an_unknown_command_is_a_usage_error():
    assert CliRunner().invoke(cli.app, ["sinth"]).exit_code == 2


def fail(monkeypatch, error):
    def broken() -> None:
        raise error

    monkeypatch.setattr(cli, "_load", lambda entry: typer.main.get_command(single(broken)))
    monkeypatch.setattr(sys, "argv", ["cort", "run", "my recipe.yaml"][:2])


def single(function):
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def test_an_expected_failure_is_one_line_and_exit_2(monkeypatch, capsys):
    fail(monkeypatch, RecipeError("r.yaml: no"))
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "cort: r.yaml: no\n"


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    fail(monkeypatch, KeyboardInterrupt())
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 130
    assert "Continue with: cort run\n" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch):
    fail(monkeypatch, ZeroDivisionError("bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "cort_data", "run", "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("cort: nowhere: no such recipe file")
    assert result.stderr.count("\n") == 1
