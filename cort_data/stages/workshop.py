"""What a recipe names, opened: engine, interpreter, profile, hint policies; and the keys of what they make."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cort_data.engines import Engine, EngineKind, EngineSettings, open_engine
from cort_data.engines.settings import Continuation
from cort_data.errors import RecipeError, RunError
from cort_data.grading import Grader
from cort_data.hints.judge import Judges
from cort_data.hints.library import load_library
from cort_data.hints.policy import HintPolicy, load_policy, policy_base
from cort_data.hints.template import Hint, reword
from cort_data.interpreter import Interpreter, Limits, open_interpreter
from cort_data.jobs import Writer
from cort_data.profiles import Profile, load_profile
from cort_data.prompts import without_code
from cort_data.recipe import Recipe
from cort_data.rollout import Rollouts
from cort_data.search import SEARCHES, BranchSearch, ShortestOf, WithinTokens
from cort_data.trace import InterpreterUsed, Trace

NANO = "nano-"
TEXT_ONLY = "text"
"""The policy of evaluations without code: no hints, no block is run, and the prompt does not ask for python."""
THINK_OPEN = "think_open"  # the trigger that fires before the model's first word
_WHOLE_FILE_BYTES = 64 * 2**20  # larger files are known by their size and both ends


@dataclass(frozen=True)
class Workshop:
    """Everything that traces are written with."""

    recipe: Recipe
    engine: Engine
    interpreter: Interpreter
    profile: Profile
    grader: Grader
    """Of the searches, which choose by the answer."""
    judges: Judges

    def writer(self, policy: str) -> Writer:
        """What writes the traces of one policy."""
        rollouts = self.rollouts(policy)
        search = self.recipe.rollout.search
        if policy_base(policy) == "shortest_of_n":
            return ShortestOf(rollouts, self.grader, search.n)
        if policy_base(policy) == "branch":
            if not self.interpreter.forks:
                raise RecipeError(
                    f"rollout.policy branch forks python sessions, and the interpreter "
                    f"{self.recipe.interpreter.backend!r} cannot; use interpreter.backend: local"
                )
            return BranchSearch(rollouts, self.grader, search)
        return rollouts

    def writer_within(self, policy: str, tokens: int) -> Writer:
        """The best that this policy gives for so many tokens of the model."""
        return WithinTokens(self.writer(policy), self.grader, tokens, self.profile.think_close)

    def rollouts(self, policy: str) -> Rollouts:
        """The rollout loop under the hints of one policy. Raises RecipeError if the engine cannot carry it out."""
        self._check_policy(policy)
        settings, runs_code = self.recipe.rollout, policy != TEXT_ONLY
        if not runs_code:
            settings = settings.model_copy(update={"prompt": without_code(settings.prompt)})
        return Rollouts(
            engine=self.engine,
            interpreter=self.interpreter,
            interpreter_used=interpreter_used(self.recipe),
            profile=self.profile,
            policy=policy_of(self.recipe, policy),
            settings=settings,
            temperature=self.recipe.sampling.temperature,
            top_p=self.recipe.sampling.top_p,
            judges=self.judges,
            runs_code=runs_code,
        )

    def _check_policy(self, policy: str) -> None:
        """Where no text is continued, hints go before the model's first word, and nothing is taken back."""
        found = self.engine.capabilities
        late = [h.name for h in policy_of(self.recipe, policy).hints if h.trigger.name != THINK_OPEN]
        branching = policy_base(policy) == "branch"
        if found.continues or not (late or branching):
            return
        what = "goes back to places in the text" if branching else f"puts {', '.join(late)} into the thinking"
        raise RecipeError(
            f"rollout.policy {policy} {what}, and {self.engine.name} continues no text ({found.faults}); "
            "use rollout.policy: prompt_hint, or a server that continues texts"
        )


@asynccontextmanager
async def open_workshop(recipe: Recipe, model: str, before: Trace | None = None) -> AsyncIterator[Workshop]:
    """Open everything, and close it in the end. Raises CortError for what cannot be opened.

    `before` is a trace that this stage already has: its engine is opened again in the number type that it had.
    """
    profile = load_profile(recipe.engine.profile)
    async with interpreter_of(recipe) as interpreter:
        engine = await open_engine(_as_before(engine_settings(recipe, model), before))
        for note in engine.capabilities.notes():
            print(f"cort: note: {note}", file=sys.stderr)
        try:
            _check_same(engine, before)
            with Grader(rules=recipe.graders) as grader:
                async with Judges() as judges:
                    yield Workshop(recipe, engine, interpreter, profile, grader, judges)
        finally:
            await engine.close()


def _check_same(engine: Engine, before: Trace | None) -> None:
    """Traces that were written in two ways are not mixed: what a server can do may change under a run."""
    kind = engine.name.partition(":")[0]
    if before and before.engine.partition(":")[0] == kind == EngineKind.OPENAI and before.engine != engine.name:
        raise RunError(
            f"the traces there were written by {before.engine!r}, and the server is now {engine.name!r}; set the "
            "server up as it was, or name a new --run-dir"
        )


def interpreter_of(recipe: Recipe) -> Interpreter:
    """The recipe's interpreter, not started yet."""
    section = recipe.interpreter
    limits = Limits(timeout_s=section.timeout_s, memory_mb=section.memory_mb, output_chars=section.output_chars)
    return open_interpreter(section.backend, limits, section.isolation, section.url or "")


def engine_settings(recipe: Recipe, model: str) -> EngineSettings:
    """The engine of a recipe with this model; `nano-NAME` in process is the folder of the shipped weights."""
    return recipe.engine.model_copy(update={"model": str(model_folder(recipe, model) or model)})


def _as_before(settings: EngineSettings, before: Trace | None) -> EngineSettings:
    """`auto` measures, and may measure otherwise the second time: traces of one stage are of one number type."""
    dtype = before.engine.rpartition(":")[2] if before else ""
    if settings.dtype != "auto" or dtype not in ("bfloat16", "float32"):
        return settings
    return settings.model_copy(update={"dtype": dtype})


def model_folder(recipe: Recipe, model: str) -> Path | None:
    """The folder that the engine loads; None where a server has the model."""
    return known_folder(model) if recipe.engine.kind is not EngineKind.OPENAI else None


def known_folder(model: str) -> Path:
    """Where a model lies if it lies on this machine; `nano-NAME` is among the shipped weights."""
    if model.startswith(NANO) and not Path(model).exists():
        from cort_data import nano

        return Path(nano.__file__).parent / "weights" / model.removeprefix(NANO)
    return Path(model)


def policy_of(recipe: Recipe, name: str) -> HintPolicy:
    """A hint policy, with the recipe's own wordings in place. Raises HintError."""
    policy = HintPolicy(TEXT_ONLY, ()) if name == TEXT_ONLY else load_policy(name)
    wordings = recipe.rollout.wordings
    for hint in sorted(set(wordings) - set(load_library())):
        raise RecipeError(f"rollout.wordings.{hint}: no hint of that name; cort hints list names them")
    return replace(policy, hints=tuple(_reworded(hint, wordings.get(hint.name)) for hint in policy.hints))


def _reworded(hint: Hint, texts: Sequence[str] | None) -> Hint:
    return reword(hint, texts, f"rollout.wordings.{hint.name}") if texts else hint


def interpreter_used(recipe: Recipe) -> InterpreterUsed:
    """The interpreter semantics, as each trace records them."""
    return InterpreterUsed(**recipe.interpreter.semantics())


def trace_key(recipe: Recipe, model: str, policy: str) -> dict[str, Any]:
    """All that shapes a trace but for its problem and sample."""
    way = recipe.engine.continuation
    continuation = {} if way is Continuation.AUTO else {"continuation": way}
    search = {"search": recipe.rollout.search.model_dump()} if policy_base(policy) in SEARCHES else {}
    return {
        "seed": recipe.seed,
        "engine": {
            "kind": recipe.engine.kind,
            "model": model_hash(recipe, model) or model,
            "dtype": recipe.engine.dtype,
            **continuation,
            "profile": recipe.engine.profile,
        },
        "sampling": recipe.sampling.model_dump(mode="json"),
        "interpreter": recipe.interpreter.semantics(),
        "rollout": {
            "policy": policy,
            "calls": recipe.rollout.calls,
            "tokens": recipe.rollout.tokens,
            "prompt": recipe.rollout.prompt,
            "hints": policy_hash(policy_of(recipe, policy)),
            **search,
        },
    }


def policy_hash(policy: HintPolicy) -> str:
    """16 hex digits over all hints of a policy."""
    return hashlib.sha256(repr(policy.hints).encode()).hexdigest()[:16]


def model_hash(recipe: Recipe, model: str) -> str | None:
    """`folder_hash` of a model; None where a server has the model, or no folder is there."""
    folder = model_folder(recipe, model)
    return None if folder is None or not folder.is_dir() else folder_hash(folder)


def folder_hash(folder: Path) -> str:
    """16 hex digits over the files of a model folder; of a file above 64 MB, its size and one MB from each end."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(_content(path))
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        if path.stat().st_size <= _WHOLE_FILE_BYTES:
            return hashlib.file_digest(file, "sha256").digest()
        ends = file.read(2**20)
        file.seek(-(2**20), 2)
        return hashlib.sha256(ends + file.read()).digest()
