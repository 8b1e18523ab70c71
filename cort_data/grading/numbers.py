"""Answers that are one rational number, read exactly: integers, decimals, fractions, mixed numbers, percent."""

import re
from fractions import Fraction

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)?(?:\.\d+)?"  # thousands by comma or space
_DECIMAL = re.compile(_PLAIN)
_SCIENTIFIC = re.compile(
    rf"({_PLAIN})\s*(?:[eE]|(?:\\times|\\cdot|[xX*])\s*10\s*(?:\^|\*\*))\s*\{{?\s*([-+]?\d{{1,3}})\s*\}}?"
)
_FRACTION = re.compile(
    r"\\frac\s*(?:\{\s*([-+]?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*([-+]?[\d.,]+)\s*\}|(\d))|(\S+)\s*/\s*(\S+)"
)
_MIXED = re.compile(r"(\d+)\s*(\\frac.*)|(\d+) +(\d+\s*/\s*\d+)")
_PERCENT = re.compile(r"\s*(?:%|\\%|percent|per cent)\s*", re.IGNORECASE)


def read_number(text: str) -> Fraction | None:
    """The value, or None if the text is anything else than one number."""
    text, percents = _PERCENT.subn("", text) if text.lower().endswith(("%", "percent", "per cent")) else (text, 0)
    sign, text = _signed(text.strip())
    value = _unsigned(text)
    if value is None or percents > 1:
        return None
    return sign * (value / 100 if percents else value)


def _signed(text: str) -> tuple[int, str]:
    if text[:1] in ("-", "+"):
        return (-1 if text[0] == "-" else 1), text[1:].strip()
    return 1, text


def _unsigned(text: str) -> Fraction | None:
    if (mixed := _MIXED.fullmatch(text)) is not None:
        return _mixed(mixed[1] or mixed[3], mixed[2] or mixed[4])
    if (fraction := _FRACTION.fullmatch(text)) is not None:
        top, bottom = (_decimal_signed(part) for part in filter(None, fraction.groups()))
        return top / bottom if top is not None and bottom else None
    if (power := _SCIENTIFIC.fullmatch(text)) is not None:
        mantissa = _decimal(power[1])
        return None if mantissa is None else mantissa * Fraction(10) ** int(power[2])
    return _decimal(text)


def _mixed(whole: str, fraction: str) -> Fraction | None:
    part = _unsigned(fraction)
    # 3\frac{5}{2} is a product in somebody's hand, not a mixed number: no value is better than a guess.
    return int(whole) + part if part is not None and 0 < part < 1 else None


def _decimal_signed(text: str) -> Fraction | None:
    sign, text = _signed(text)
    value = _decimal(text)
    return None if value is None else sign * value


def _decimal(text: str) -> Fraction | None:
    if not text or not _DECIMAL.fullmatch(text):
        return None
    return Fraction(text.replace(",", "").replace(" ", ""))
