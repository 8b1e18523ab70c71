"""Evaluation: problem sets and protocols by name, measures of graded traces, and two runs compared.

`stages/evaluate` writes and grades the traces; here is what is made of them. `scores` is the file between the two.
"""
