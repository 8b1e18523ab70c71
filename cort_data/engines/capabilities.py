"""What an engine can do, as it was found out: the record that a run stores and `cort doctor --engine` prints.

Nothing here is assumed from a name or an address. None means that the server did not let it be seen.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from cort_data.engines.settings import Continuation


class Finding(StrEnum):
    """What became of a half-written text that was sent to be continued."""

    CONTINUES = "continues"
    ECHOES = "echoes the prefix"  # and continues it: what is sent back is cut away
    RESTARTS = "restarts the answer"
    TRIMS = "trims white space"
    DROPS_THINKING = "drops the thinking"
    WHOLE_TURNS = "whole turns only"
    SILENT = "writes nothing"
    REFUSED = "refused"  # the server says that it has no such thing
    UNTRIED = "not tried"


USABLE = frozenset({Finding.CONTINUES, Finding.ECHOES})


class Thinking(StrEnum):
    """Where the model's thinking shows in an ordinary answer."""

    FIELD = "in a field of its own"
    TEXT = "in the text"
    HIDDEN = "hidden"  # tokens are counted that nobody sees
    NONE = "none seen"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WayFound(_Record):
    """One way to continue, and what came of it."""

    way: Continuation
    finding: Finding
    detail: Annotated[str, Field(description="What was seen, in the server's words where it refused")] = ""

    @property
    def usable(self) -> bool:
        """Can a run continue texts like this?"""
        return self.finding in USABLE

    def __str__(self) -> str:
        return f"{self.way}: {self.finding}" + (f" ({self.detail})" if self.detail else "")


class Capabilities(_Record):
    """What was found of one model behind one engine."""

    engine: Annotated[str, Field(description="Kind of the engine")]
    model: str
    way: Annotated[
        Continuation | None,
        Field(description="How texts are continued; native_tools: they are not; null: nothing can be written"),
    ]
    ways: Annotated[tuple[WayFound, ...], Field(description="Every way that was tried, the best first")] = ()
    context: Annotated[int, Field(description="Longest prompt and completion together, in tokens")]
    context_said: Annotated[bool, Field(description="Did the server say so? If not, it is a guess")] = True
    counting: Annotated[str, Field(description="How tokens are counted: ids, logprobs, usage, or one a chunk")] = "ids"
    logprobs: bool | None = None
    thinking: Annotated[Thinking | None, Field(description="Where thinking shows in an ordinary answer")] = None
    thinking_field: Annotated[str | None, Field(description="Name of that field")] = None
    stop: Annotated[bool | None, Field(description="Are stop strings honoured? Runs do not rely on them")] = None
    seed: Annotated[bool | None, Field(description="Does the same seed give the same text?")] = None
    sampling: Annotated[bool | None, Field(description="Does the temperature change what is drawn?")] = None
    cached_tokens: Annotated[
        int | None, Field(description="Tokens of a repeated prompt that came from the cache; null: not said")
    ] = None
    repeated_tokens: Annotated[int | None, Field(description="Tokens of that prompt")] = None
    tools: Annotated[bool | None, Field(description="Does the model call tools? null: not tried")] = None
    rate_limits: Annotated[dict[str, str], Field(description="The server's x-ratelimit headers")] = Field(
        default_factory=dict
    )

    @classmethod
    def in_process(cls, engine: str, model: str, context: int, *, ids: bool = True) -> Self:
        """Of an engine whose every token passes through our hands."""
        way = Continuation.IDS if ids else Continuation.TEXT
        found = WayFound(way=way, finding=Finding.CONTINUES, detail="in this process")
        return cls(
            engine=engine,
            model=model,
            way=way,
            ways=(found,),
            context=context,
            counting="ids" if ids else "chunk",
            logprobs=True,
            thinking=Thinking.TEXT,
            seed=True,
            sampling=True,
        )

    @property
    def continues(self) -> bool:
        """Can a half-written text be continued, so that hints go in anywhere and text is rewound?"""
        return self.way not in (Continuation.NATIVE_TOOLS, None)

    @property
    def faults(self) -> str:
        """Why each way is not used, in one line."""
        other = (Finding.UNTRIED, Finding.WHOLE_TURNS)
        bad = (found for found in self.ways if not found.usable and found.finding not in other)
        return "; ".join(map(str, bad))

    def notes(self) -> list[str]:
        """What a user must know before a run, a line each."""
        notes = []
        if not self.continues:
            notes.append(f"no text can be continued ({self.faults}): whole turns with the model's own tool calls")
        if any(found.way is self.way and found.finding is Finding.ECHOES for found in self.ways):
            notes.append("the server sends the prefix back before what is new; it is cut away")
        if self.seed is False:
            notes.append("the server ignores the seed: the same run again gives other traces")
        if self.sampling is False:
            notes.append("the server ignores the temperature: all samples of a problem are alike")
        if not self.context_said:
            notes.append(f"the server does not say how long its context is; {self.context:,} tokens are assumed")
        return notes
