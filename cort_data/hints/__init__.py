"""Hints: sentences put into a model's thinking where they turn it to code, and away from doubting its results.

A hint is a file (`template`), found in a folder (`library`), placed by a detector (`triggers`) that reads the text as
it grows (`view`), under the limits of a policy (`policy`). `scan` runs detectors over finished traces.
"""
