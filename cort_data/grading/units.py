r"""Unit words at the end of an answer, which are ignored on both sides: `15\mbox{ cm}^2` is 15."""

import re

_SHORT = "m g s h l L A V W J N K C F P T"  # a variable too: a unit only inside \text{}
_LONG = """
mm cm dm km nm in ft yd mi mg kg lb lbs oz ml mL cl dl kl hr hrs min mins sec secs ms mph kph kmh rpm Hz kHz
kW kWh kJ kcal cal atm Pa kPa USD EUR GBP rad deg
inch inches foot feet yard yards mile miles meter meters metre metres centimeter centimeters centimetre centimetres
millimeter millimeters millimetre millimetres kilometer kilometers kilometre kilometres gram grams kilogram kilograms
milligram milligrams pound pounds ounce ounces ton tons tonne tonnes liter liters litre litres milliliter
milliliters gallon gallons quart quarts pint pints cup cups second seconds minute minutes hour hours day days week
weeks month months year years degree degrees radian radians dollar dollars cent cents euro euros buck bucks penny
pennies nickel nickels dime dimes unit units acre acres hectare hectares volt volts watt watts joule joules newton
newtons
"""
_WORDS = "|".join(sorted(_LONG.split(), key=len, reverse=True))
_LETTERS = "|".join(_SHORT.split())
_POWER = r"(?:\s*\^\s*\{?\s*-?[1-4]\s*\}?)?"


def _unit(names: str) -> str:
    one = rf"(?:(?:square|cubic|sq\.?|cu\.?)\s*)?(?:{names})\.?{_POWER}(?:\s+(?:squared|cubed))?"
    return rf"{one}(?:\s*(?:/|per|\\cdot|\s)\s*{one})*"


# The word must follow something that can carry a unit: a digit, a closing bracket, a space, a degree.
_TEXT = re.compile(
    r"(?<=[\w)}\]])\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm)\s*\{\s*" + _unit(f"{_WORDS}|{_LETTERS}") + rf"\s*\}}{_POWER}$"
)
_PLAIN = re.compile(rf"(?<=[\d)}}\]])\s*(?:{_unit(_WORDS)})$|(?<=[\w)}}\]])\s+(?:{_unit(_WORDS)})$", re.IGNORECASE)
# Other counted things: 14\text{ right triangles}. Not what changes or restricts the number.
_COUNTED = re.compile(
    r"\s*\\(?:text(?:rm|bf|it)?|mbox|mathrm)\s*\{\s*"
    r"(?!.*\b(?:hundred|thousand|million|billion|trillion|dozen|score|half|percent|and|or|base|mod|if|for|to|factorial)\b)"
    r"[a-z ]{3,}\.?\s*\}$"
)
_DEGREE = re.compile(r"\s*\\degree(?:\s*[CF])?(?![a-zA-Z])\s*")
_ANGLE_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")


def drop_counted(text: str) -> str:
    """A number without the things in `\\text{}` that it counts."""
    return _COUNTED.sub("", text).strip()


def drop_units(text: str) -> str:
    """The answer without its unit, the degree sign included (inside a sine it is part of the value)."""
    if not _ANGLE_FUNCTION.search(text):
        text = _DEGREE.sub(" ", text).strip()
    return _PLAIN.sub("", _TEXT.sub("", text).strip()).strip()
