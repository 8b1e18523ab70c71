"""Evaluation: problem sets and protocols by name, measures of graded traces, and two runs compared.

`stages/evaluate` writes the traces; here is what is made of them. `scores` grades them and keeps the verdicts, `rows`
measures them, for `results` and for the report's page alike.
"""
