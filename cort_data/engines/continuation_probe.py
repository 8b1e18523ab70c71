"""Does a server continue a half-written text? Found out with a few short greedy texts, whatever the model is worth.

The proof is the server's own text: what it wrote after a prefix is cut in two, the first half is handed in with the
prefix, and the second half must come again. A server that starts anew repeats the first half instead; one that sends
the prefix back begins with it; one that trims loses the white space at the cut. Whether white space and thinking of the
prefix arrive at all is told by the number of tokens that the server counts in the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cort_data.engines.asking import REFUSED, Answer, Asker
from cort_data.engines.base import Prefix, Sampling, Turn
from cort_data.engines.capabilities import Finding, WayFound
from cort_data.engines.server_errors import ServerError
from cort_data.engines.wires import Abilities

USER = "Count from one to forty in words, with a comma after each number."
WRITTEN = "Calm sea, grey sky, and here we go: one, two, three, four,"  # what a fresh answer would not begin with
LATER = " five, six, seven, eight, nine, ten, eleven, twelve,"
TOKENS, AGAIN = 40, 16  # written after the prefix, and again after the cut
ALIKE = 12  # characters that prove one text to be another
SHORTEST = 4  # characters that can
CUTS = 3
WHITE = "\n \n\n"
THOUGHT = "blue, " * 60
THOUGHT_TOKENS = 30  # that it has in any vocabulary


@dataclass(frozen=True, slots=True)
class Tags:
    """What opens and closes the thinking of the model."""

    open: str
    close: str


@dataclass(frozen=True)
class WayProbe:
    """One way to continue, tried on one server."""

    asker: Asker
    abilities: Abilities
    tags: Tags

    async def examine(self) -> tuple[WayFound, Abilities]:
        """What came of it, and how text is asked for in this way. Raises ServerError for more than a refusal."""
        try:
            abilities = await self._ladder()
            finding, detail = await replace(self, abilities=abilities)._continuation()
        except ServerError as error:
            if error.status not in REFUSED and not error.garbled:
                raise
            return self._found(Finding.REFUSED, error.said), self.abilities
        return self._found(finding, detail), replace(abilities, echo=finding is Finding.ECHOES)

    def _found(self, finding: Finding, detail: str) -> WayFound:
        return WayFound(way=self.abilities.way, finding=finding, detail=detail)

    async def _ladder(self) -> Abilities:
        """The most that the server gives in this way: tokens with log-probabilities, counts, or text alone."""
        prefix = await self._prefix(WRITTEN)
        steps = [replace(self.abilities, logprobs=True, usage=True), replace(self.abilities, usage=True)]
        refusal: ServerError | None = None
        for abilities in [*steps, self.abilities]:
            answer = await self.asker.try_to_write(abilities, prefix, Sampling(0, 1, 0, 2))
            if isinstance(answer, ServerError):
                refusal = answer
            elif delivered(abilities, answer):
                return replace(abilities, usage=answer.usage is not None)
        raise refusal or ServerError(f"{self.abilities.way} gives no token ids", status=404)

    async def _continuation(self) -> tuple[Finding, str]:
        for written in (WRITTEN, WRITTEN + LATER):
            start, answer = await self._write(""), await self._write(written)
            if len(answer.text) >= SHORTEST:
                break
        else:
            return Finding.SILENT, f"{answer.text!r} after {written!r}"
        if echoes(answer.text, await self._prefix(written), self.abilities):
            return await self._echoing()
        finding, detail = await self._again(written, start, answer)
        if finding is not Finding.CONTINUES or self.abilities.ids:
            return finding, detail
        return await self._arrives(written, answer)

    async def _echoing(self) -> tuple[Finding, str]:
        """The prefix comes back: usable where it comes back exactly, so that it can be cut away."""
        try:
            finding, detail = await replace(self, abilities=replace(self.abilities, echo=True))._continuation()
        except ServerError as error:
            if not error.garbled:
                raise
            return Finding.RESTARTS, "sends the prefix back, but changed"
        return (Finding.ECHOES, "what comes back is cut away") if finding is Finding.CONTINUES else (finding, detail)

    async def _again(self, written: str, start: Answer, answer: Answer) -> tuple[Finding, str]:
        """Hand in the first part of an answer, and see whether the rest comes again."""
        text = answer.text
        findings: list[tuple[Finding, str]] = []
        for cut in cuts(answer, whole_tokens=self.abilities.ids):
            got = (await self._write(written, answer, cut)).text
            rest = "".join(c.text for c in answer.chunks[cut:]) if self.abilities.ids else text[cut:]
            repeats = alike(got, text) or alike(got, start.text)
            if alike(got, rest) and (not repeats or not alike(text, start.text)):
                return self._spaces(text)
            if repeats:
                findings.append((Finding.RESTARTS, f"wrote {short(got)} again where it was at {short(rest)}"))
            elif alike(got, rest.lstrip()):
                findings.append((Finding.TRIMS, f"wrote {short(got)} instead of {short(rest)}"))
            else:
                findings.append((Finding.RESTARTS, f"wrote {short(got)} instead of {short(rest)}"))
        return max(findings, key=lambda found: sum(f is found[0] for f, _ in findings))

    def _spaces(self, text: str) -> tuple[Finding, str]:
        if any(c.isspace() for c in text):
            return Finding.CONTINUES, ""
        return Finding.TRIMS, f"no white space in {short(text)}"

    async def _arrives(self, written: str, answer: Answer) -> tuple[Finding, str]:
        """Do white space and thinking of the prefix reach the model?"""
        if not await self._grows(Turn(USER, "", written), Turn(USER, "", written + WHITE), answer, 1):
            return Finding.TRIMS, "white space at the end of the prefix does not arrive"
        for end, what in (("", "open"), (f"\n{self.tags.close}\n\nThen", "closed")):
            few, many = (Turn(USER, f"{self.tags.open}\n", thought + end) for thought in ("blue", THOUGHT))
            if not await self._grows(few, many, None, THOUGHT_TOKENS):
                return Finding.DROPS_THINKING, f"{what} thinking in the prefix does not arrive"
        return Finding.CONTINUES, ""

    async def _grows(self, less: Turn, more: Turn, before: Answer | None, by: int) -> bool:
        """Does the prompt have more tokens for more text? Without counts, the answer must be another one."""
        answers = [before or await self._ask(less), await self._ask(more)]
        counts = [answer.prompt_tokens for answer in answers]
        if counts[0] is not None and counts[1] is not None:
            return counts[1] - counts[0] >= by
        return answers[0].text != answers[1].text

    async def _ask(self, turn: Turn) -> Answer:
        prefix = Prefix(f"{turn.user}\n\n{turn.assistant}", None, turn)
        return await self.asker.write(self.abilities, prefix, Sampling(0, 1, 0, TOKENS))

    async def _write(self, written: str, before: Answer | None = None, cut: int = 0) -> Answer:
        """Greedy text after what is written and the first `cut` characters (with ids: tokens) of an answer to it."""
        if before is None:
            return await self.asker.write(self.abilities, await self._prefix(written), Sampling(0, 1, 0, TOKENS))
        if not self.abilities.ids:
            prefix = await self._prefix(written + before.text[:cut])
        else:
            start = await self._prefix(written)
            ids = tuple(i for chunk in before.chunks[:cut] for i in chunk.ids or ())
            prefix = Prefix(start.text, (*(start.ids or ()), *ids))
        return await self.asker.write(self.abilities, prefix, Sampling(0, 1, 0, AGAIN))

    async def _prefix(self, written: str) -> Prefix:
        text = f"{USER}\n\n{written}"
        tokenized = await self.asker.tokenize(text) if self.abilities.ids else None
        return Prefix(text, tokenized and tokenized[0], Turn(USER, "", written))


def delivered(abilities: Abilities, answer: Answer) -> bool:
    """Did an answer come with what the abilities promise?"""
    first = answer.chunks[0]
    return (first.ids is not None or not abilities.ids) and (first.logprobs is not None or not abilities.logprobs)


def echoes(text: str, prefix: Prefix, abilities: Abilities) -> bool:
    """Does an answer begin with what was sent?"""
    sent = abilities.wire().sent(prefix)
    return not abilities.echo and text.lstrip().startswith(sent.lstrip()[: 2 * ALIKE])


def cuts(answer: Answer, *, whole_tokens: bool) -> list[int]:
    """Places in the middle of an answer, before white space where there is some; numbers of chunks, or characters."""
    texts = [chunk.text for chunk in answer.chunks]
    ends = list(_sums(texts))
    text = answer.text
    if whole_tokens:
        inner = [n for n in range(1, len(texts)) if 0.2 * len(texts) < n < 0.8 * len(texts)]
        white = [n for n in inner if texts[n][:1].isspace()]
    else:
        inner = [end for end in ends if 0.2 * len(text) < end < 0.8 * len(text)]
        white = [i for i in range(1, len(text)) if text[i].isspace() and not text[i - 1].isspace()]
        white = [i for i in white if 0.2 * len(text) < i < 0.8 * len(text)]
    places = white or inner or [len(texts) // 2 if whole_tokens else len(text) // 2]
    return places[:: max(1, len(places) // CUTS)][:CUTS]


def alike(a: str, b: str) -> bool:
    """Do two texts begin alike, for long enough to be one text?"""
    n = min(len(a), len(b), ALIKE)
    return n >= SHORTEST and a[:n] == b[:n]


def short(text: str) -> str:
    """A text for a message."""
    return repr(text if len(text) <= 2 * ALIKE else text[: 2 * ALIKE] + "…")


def _sums(texts: list[str]) -> Iterator[int]:
    total = 0
    for text in texts:
        total += len(text)
        yield total
