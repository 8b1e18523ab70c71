"""The `cort` command: one module a command group, imported when it is asked for.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the check or run found failures or a limit on its
spending, 2 usage or bad input (one line), 130 interrupted.
"""

from __future__ import annotations

import importlib
import shlex
import sys
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cort_data.errors import CortError


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where it lives, and its line in `cort --help` (nothing is imported to print that)."""

    module: str
    name: str
    help: str


COMMANDS = {
    "new": Entry("new", "new", "Lay out a project of your own: a recipe, a hint, a seed, problems."),
    "run": Entry("run", "run", "Run a recipe, from problems to data set and tables."),
    "estimate": Entry("estimate", "estimate", "Say what a recipe will cost, from a pilot of a few problems."),
    "synth": Entry("synth", "synth", "Write traces for a recipe's problems, and nothing more."),
    "filter": Entry("filter", "filter_command", "Decide which traces are kept, and say why the others are not."),
    "sft": Entry("sft", "sft", "Fine-tune a model on traces, with exact masks."),
    "rft": Entry("rft", "rft", "Sample from a model, train on what passes the filters; in rounds."),
    "distill": Entry("rft", "distill", "Train a weaker model on what a stronger one wrote."),
    "eval": Entry("evaluate", "evaluate", "Evaluate models on problem sets, with and without code and hints."),
    "compare": Entry("compare", "compare", "Say whether two evaluations can be told apart."),
    "show": Entry("show", "show", "Read traces, coloured by who wrote what."),
    "report": Entry("report", "report", "Write the page of a run, or the tables of all measurements."),
    "audit": Entry("audit", "audit", "Read traces with the verdicts hidden; how precise are the filters?"),
    "exec": Entry("exec", "exec_command", "Run files as the cells of one session of the interpreter."),
    "interpreter": Entry("interpreter", "app", "Serve sessions of the interpreter to other machines."),
    "grade": Entry("grade", "grade", "Compare answers with gold answers."),
    "problems": Entry("problems", "app", "Import problems, without duplicates and test problems."),
    "traces": Entry("traces", "app", "Import traces that were written elsewhere."),
    "hints": Entry("hints", "app", "Write, check, preview, score and compare hints."),
    "seeds": Entry("seeds", "app", "List, check and show the hand-written seed traces."),
    "nano": Entry("nano", "app", "The embedded world: problems, corpus, training of its models."),
    "serve": Entry("serve", "serve", "Serve a model with OpenAI's chat API; its code runs on this side."),
    "serve-command": Entry("serve_command", "serve_command", "Print how to serve a recipe's model with vLLM."),
    "schema": Entry("schema", "schema", "Print the JSON schema of a file format."),
    "doctor": Entry("doctor", "doctor", "Say what this machine can do, what is missing and how to get it."),
}


class _InterruptedError(Exception):
    """The user pressed Ctrl-C."""


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is used; the overview comes from `COMMANDS` alone."""

    overview = False

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """In the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002
        """The command, or only its line while the overview is printed."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self.overview:
            return TyperCommand(cmd_name, help=entry.help)
        command = _load(entry)
        command.name = cmd_name
        return command

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Run the command; an interrupt is ours to report, not typer's."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _InterruptedError from None

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Print the overview."""
        self.overview = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.overview = False


def _load(entry: Entry) -> Any:  # noqa: ANN401 - typer's command classes are private
    target = getattr(importlib.import_module(f"cort_data.cli.{entry.module}"), entry.name)
    if not isinstance(target, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command()(target)
        target = single
    target.rich_markup_mode = None  # one look for all commands, and help that can be written to a file
    return typer.main.get_command(target)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def cort() -> None:
    """From seed traces and problems to models that reason with code."""


def main() -> None:
    """Entry point of the command. Expected failures are one line; a bug keeps its traceback."""
    try:
        app()
    except CortError as error:
        print(f"cort: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except _InterruptedError:
        again = shlex.join(["cort", *sys.argv[1:]])
        print(f"\ncort: interrupted; what is finished is kept. Continue with: {again}", file=sys.stderr)
        raise SystemExit(130) from None
