"""What a comparison of two answers can say."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether two answers are the same value."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNSCORED = "unscored"  # cannot be judged: neither right nor wrong


@dataclass(frozen=True)
class Grade:
    """A verdict and, in a few words, what it rests on."""

    verdict: Verdict
    reason: str


def equal(reason: str) -> Grade:
    """The same value."""
    return Grade(Verdict.EQUAL, reason)


def different(reason: str) -> Grade:
    """Two values."""
    return Grade(Verdict.DIFFERENT, reason)


def unscored(reason: str) -> Grade:
    """No judgement."""
    return Grade(Verdict.UNSCORED, reason)
