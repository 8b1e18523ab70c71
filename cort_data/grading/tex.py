r"""One spelling of an answer's TeX: no typesetting, no currency, plain thousands, braces where TeX implies them.

Everything here looks at one answer alone and leaves its value untouched, so that two spellings of one value
meet before anything is parsed.
"""

import re

_UNICODE = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms
        **dict.fromkeys("\u2212\u2013\u2010\u2011", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u3000\n\t", " "),
        "\u00b0": r"^\circ ",
        "\u03c0": r"\pi ",
        "\u221e": r"\infty ",
        "\u222a": r"\cup ",
        "\u2208": r"\in ",
        "\u00d7": r"\times ",
        "\u00b7": r"\cdot ",
        "\u22c5": r"\cdot ",
        "\u00f7": "/",
        "\u00b1": r"\pm ",
        "\u2264": r"\le ",
        "\u2265": r"\ge ",
        "\u2260": r"\ne ",
        "\u2205": r"\emptyset ",
        **{char: f"^{{{digit}}}" for digit, char in enumerate("\u2070\u00b9\u00b2\u00b3\u2074")},
    }
)
_TEXT = r"\\(?:text(?:bf|it|rm|sf|tt)?|mbox|mathrm|mathbf|mathit|textnormal)"
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"(?<=\d),\\!\s*(?=\d{3})|(?<=\d)\{,\}\s*(?=\d{3})", ""),  # 10,\!080 and 10{,}080
    (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits)(?![a-zA-Z])", ""),
    (r"^\s*\\approx(?![a-zA-Z])|\\[hv]?phantom\s*(?:\{[^{}]*\}|\S)", ""),
    (r"(?<!\\)\\!", ""),  # not the second half of a matrix's line end
    (r"(?<!\\)\\[,;:> ]|\\q?quad(?![a-zA-Z])|~", " "),
    (r"\\\(|\\\)|\\\[|\\\]|\\?\$|[€£¥₹]|\\(?:euro|pounds)(?![a-zA-Z])", " "),  # math mode and currency
    (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
    (r"\\(?:leq|leqslant)(?![a-zA-Z])", r"\\le"),
    (r"\\(?:geq|geqslant)(?![a-zA-Z])", r"\\ge"),
    (r"\\neq(?![a-zA-Z])", r"\\ne"),
    (r"\\lbrace(?![a-zA-Z])", r"\\{"),
    (r"\\rbrace(?![a-zA-Z])", r"\\}"),
    (r"\\(?:varnothing|emptyset)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
    (r"\^\s*\{?\s*\\circ\s*\}?|\\degrees?(?![a-zA-Z])", r"\\degree "),
    (r"\\log\s*_\s*(?:e|\{\s*e\s*\})(?![a-zA-Z])", r"\\ln "),
    (r"\\log\s*_\s*(\d)\s*", r"\\log_{\1}"),
    (r"\\%", "%"),
    (r"\\begin\{([bvB]?)matrix\}", r"\\begin{pmatrix}"),
    (r"\\end\{([bvB]?)matrix\}", r"\\end{pmatrix}"),
)
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _REWRITES)
_WRAPPED = re.compile(rf"(?:\\(?:boxed|fbox)|{_TEXT})\s*\{{([^{{}}]*)\}}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}", re.DOTALL)

# Spellings that TeX or a keyboard allows and a strict parser does not.
_ARGUMENT = (
    r"(?:(\d|(?<![a-zA-Z])[a-zA-Z]|\\(?:pi|theta|alpha|beta|gamma|lambda|mu|phi|omega)(?![a-zA-Z]))|(\{[^{}]*\}))"
)
_SHORT_FRAC = re.compile(rf"\\frac\s*{_ARGUMENT}\s*{_ARGUMENT}")
_SHORT_SQRT = re.compile(r"\\sqrt\s*(\d)")
_BARE_POWER = re.compile(r"\^\s*(-?\d+)")  # x^10 is meant as x^{10}, whatever TeX makes of it
_KEYBOARD: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\*"), r"\\cdot "),
    (re.compile(r"(?<![\\a-zA-Z])sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*\(?(\d+)\)?"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\a-zA-Z])(pi|sin|cos|tan|cot|sec|csc|log|ln)(?![a-zA-Z])"), r"\\\1 "),
    (re.compile(r"(?<![\\a-zA-Z])(?:infinity|oo)(?![a-zA-Z])"), r"\\infty "),
)
_LOOSE_SPACE = re.compile(r"\s+(?![a-zA-Z])|(?<![a-zA-Z])\s+")
_DECIMAL = re.compile(r"(?<![\w.])(\d*)\.(\d+)(?![\w.])")


def clean(text: str) -> str:
    """The answer without typesetting, math delimiters and currency; words keep their spaces and `\\text{}`."""
    text = text.translate(_UNICODE).strip()
    while (box := _BOX.fullmatch(text)) is not None:
        text = box[1].strip()
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return " ".join(text.split()).rstrip(".,; ").strip()


def unwrap_text(text: str) -> str:
    """`\\text{cm}` and its kin as plain words."""
    previous = None
    while previous != text:
        previous, text = text, _WRAPPED.sub(r" \1 ", text)
    return " ".join(text.split())


def has_text(text: str) -> bool:
    """Whether letters stand in `\\text{}` or its kin."""
    return re.search(_TEXT + r"\s*\{[^{}]*[^\W\d_]", text) is not None


def from_keyboard(text: str) -> str:
    """`2*sqrt(3)` and `pi/2` as TeX."""
    for pattern, replacement in _KEYBOARD:
        text = pattern.sub(replacement, text)
    return text


def tighten(text: str) -> str:
    """One spelling of a formula: implied braces written out, no space that TeX would ignore."""
    text = _SHORT_FRAC.sub(lambda m: rf"\frac{{{_part(m, 1)}}}{{{_part(m, 3)}}}", text)
    text = _BARE_POWER.sub(r"^{\1}", _SHORT_SQRT.sub(r"\\sqrt{\1}", text))
    return _LOOSE_SPACE.sub("", text.strip())


def exact_decimals(text: str) -> str:
    """Each decimal as the fraction that it is: floats would be compared with a tolerance."""
    return _DECIMAL.sub(lambda m: rf"\frac{{{int(m[1] + m[2])}}}{{{10 ** len(m[2])}}}", text)


def _part(match: re.Match[str], group: int) -> str:
    bare, braced = match[group], match[group + 1]
    return bare if bare is not None else braced[1:-1].strip()
