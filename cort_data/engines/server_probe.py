"""Find out what a server can do, by asking it: nothing is assumed from its name or its address.

Its list of models, `/tokenize` (vLLM), each way to continue until one works, an ordinary answer, and a few short texts
in the way that works. Texts are longer than 16 tokens, because vLLM on some CPUs does not survive a shorter first
prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cort_data.engines.asking import UNKNOWN_CONTEXT, Asker
from cort_data.engines.capabilities import Capabilities, Finding, Thinking, WayFound
from cort_data.engines.continuation_probe import Tags, WayProbe
from cort_data.engines.feature_probe import FeatureProbe, calls_tools, thinking
from cort_data.engines.server_errors import ServerError
from cort_data.engines.settings import Continuation
from cort_data.engines.wires import Abilities
from cort_data.errors import EngineError

WAYS = (Continuation.IDS, Continuation.TEXT, Continuation.CHAT_CONTINUE, Continuation.PREFIX_FLAG)


@dataclass(frozen=True, slots=True)
class Server:
    """What was found, and how text is asked for."""

    abilities: Abilities
    capabilities: Capabilities


@dataclass(frozen=True)
class ServerProbe:
    """Probes one model of one server. `wanted` is the way that the recipe asks for."""

    asker: Asker
    tags: Tags
    wanted: Continuation = Continuation.AUTO
    thorough: bool = False
    """Try every way, and say what was found even if nothing can be written."""

    async def probe(self) -> Server:
        """Raises EngineError in one line if nothing can be written with this server in the way wanted."""
        context = await self.asker.check_model()
        tokenized = await self.asker.tokenize("One and one is two.")
        context = (tokenized and tokenized[1]) or context
        shown, field = await thinking(self.asker, self.tags)
        base = Abilities(plain=tokenized is not None, thinking_field=field, think_close=self.tags.close)
        found = await self._ways(base, has_ids=tokenized is not None)
        usable = {way.way: abilities for way, abilities in found if way.usable}
        best = [way.way for way, _ in found if way.finding is Finding.CONTINUES]
        tools, why = await calls_tools(self.asker) if self.thorough or not usable else (None, "")
        chosen = next(iter([*best, *usable]), Continuation.NATIVE_TOOLS if tools else None)
        ways = tuple(way for way, _ in found)
        if not usable and (self.wanted is Continuation.NATIVE_TOOLS or not self.thorough):
            self._check_tools(ways, tools, why, shown)
        whole_turns = replace(base, way=Continuation.NATIVE_TOOLS, usage=True)
        abilities = usable[chosen] if chosen in usable else whole_turns  # noqa: SIM401 - None is no key
        features = await self._features(abilities, context)
        return Server(
            abilities,
            Capabilities(
                engine="openai",
                model=self.asker.model,
                way=chosen,
                ways=(*ways, _tools_found(tools, why)),
                counting=abilities.counting,
                thinking=shown,
                thinking_field=field,
                tools=tools,
                **features,
            ),
        )

    async def _ways(self, base: Abilities, *, has_ids: bool) -> list[tuple[WayFound, Abilities]]:
        """Every way that is asked for; without `thorough`, none after the first that continues as it should."""
        found: list[tuple[WayFound, Abilities]] = []
        for way in WAYS:
            abilities = replace(base, way=way)
            done = not self.thorough and any(f.finding is Finding.CONTINUES for f, _ in found)
            if done or self.wanted not in (Continuation.AUTO, way):
                found.append((WayFound(way=way, finding=Finding.UNTRIED), abilities))
            elif way is Continuation.IDS and not has_ids:
                refused = WayFound(way=way, finding=Finding.REFUSED, detail="no /tokenize")
                found.append((refused, abilities))
            else:
                found.append(await WayProbe(self.asker, abilities, self.tags).examine())
        return found

    def _check_tools(self, ways: tuple[WayFound, ...], tools: bool | None, why: str, shown: Thinking | None) -> None:
        """Raises EngineError if whole turns are no use either, or not what the recipe asks for."""
        faults = "; ".join(str(way) for way in ways if way.finding is not Finding.UNTRIED)
        if self.wanted not in (Continuation.AUTO, Continuation.NATIVE_TOOLS):
            raise EngineError(
                f"engine.continuation: {self.asker.url} cannot do that: {faults}; set auto, or see what it can with: "
                f"cort doctor --engine {self.asker.url} --model {self.asker.model}"
            )
        if all(way.detail.startswith("404") for way in ways if way.way is not Continuation.IDS) and why[:3] == "404":
            raise EngineError(
                f"engine.url: {self.asker.url} has no completions of model {self.asker.model!r} ({why}); does the "
                "address end in /v1?"
            )
        if not tools:
            raise EngineError(
                f"engine.url: {self.asker.url} continues no text and calls no tools, so nothing can be written with "
                f"it: {faults or 'not tried'}; native_tools: {why}"
            )
        if shown is Thinking.HIDDEN:
            raise EngineError(
                f"engine.url: {self.asker.url} continues no text and hides the thinking, so its traces would lack "
                f"what is to be learned: {faults or 'not tried'}; use a server that shows it"
            )

    async def _features(self, abilities: Abilities, context: int | None) -> dict[str, Any]:
        probe = FeatureProbe(self.asker, abilities, self.tags)
        try:
            said = context or await probe.context()
            features = await probe.features(said or UNKNOWN_CONTEXT)
        except ServerError as error:
            if not self.thorough or error.transient:
                raise
            said, features = context, {}
        return features | {"context": said or UNKNOWN_CONTEXT, "context_said": said is not None}


def _tools_found(tools: bool | None, why: str) -> WayFound:
    finding = {None: Finding.UNTRIED, True: Finding.WHOLE_TURNS, False: Finding.REFUSED}[tools]
    return WayFound(way=Continuation.NATIVE_TOOLS, finding=finding, detail=why)
