"""Every error cort raises on purpose.

    CortError                 a user can act on it: the command prints it in one line and exits with 2
    ├── RecipeError           a recipe, option or path that does not hold
    ├── RunError              a run directory: in use, made with other settings, or its disk is full
    ├── HintError             a hint file
    ├── SeedError             a seed file
    ├── TraceError            a trace, problem or data line that breaks the schema
    ├── EngineError           the model or its server; `transient`: trying again may help, `fatal`: nothing will
    │   └── ContextError      a text that the model's context does not hold
    ├── TrainingError         a fine-tuning that cannot start or go on: base model, data, memory
    ├── BudgetError           a limit that the command was given is reached; the command exits with 1
    └── InterpreterError      the interpreter itself is broken (a failing cell is a Result, not an error)

A message says what, where, what was expected, what was given and what to do, in one line.
"""


class CortError(Exception):
    """A problem the user can act on; its text is one line."""

    exit_code = 2


class RecipeError(CortError):
    """A recipe, an option or a path that does not hold."""


class RunError(CortError):
    """A run directory that cannot go on: in use, made with other settings, or its disk is full."""


class HintError(CortError):
    """A hint file that cannot be used."""


class SeedError(CortError):
    """A seed file that cannot be used."""


class TraceError(CortError):
    """A trace, problem or data line that breaks the schema."""


class EngineError(CortError):
    """The model or its server failed.

    `transient`: the same call may succeed later. `fatal`: no call will before the user has done something, so that
    a run ends at once.
    """

    def __init__(self, message: str, *, transient: bool = False, fatal: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.fatal = fatal


class ContextError(EngineError):
    """A text that the model's context does not hold."""


class TrainingError(CortError):
    """A fine-tuning that cannot start or go on: its base model, its data, its memory."""


class BudgetError(CortError):
    """A limit on tokens, money or time is reached: what is finished is kept, and the command can be started again."""

    exit_code = 1


class InterpreterError(CortError):
    """The interpreter itself is broken; a failing cell is a `Result` instead."""
