"""The second rule: its own reader and its own arithmetic, so that one bug cannot make both rules wrong.

It shares no code with the first rule (`compare`, `forms`, `tex`, `algebra`): neither parser, nor sympy, nor tables. It
reads an answer into values (`answers`, `expressions`), puts numbers in for the symbols, and compares exactly where
everything is rational and to 40 digits elsewhere. What it cannot read, it says nothing about.
"""

from cort_data.grading.numeric.judge import judge

__all__ = ["judge"]
