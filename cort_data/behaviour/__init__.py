"""The behaviour instrument: what a trace's code is for and what the model does by hand, by rules of its own.

It shares no rule with the detectors that place hints or with the filters, so that these are not graded by themselves;
what it has in common with them is the data model: segments, blocks, and whether an output is a traceback
(`cort_data.blocks`). How often it is wrong is measured on labelled traces (`measured.json`, written by
`benchmarks/behaviour.py`) and stands in every report.
"""

from cort_data.behaviour.observation import BlockUse, Observation, observe

__all__ = ["BlockUse", "Observation", "observe"]
