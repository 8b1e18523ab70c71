"""The report of a run: one self-contained page, its figures, and the tables of `docs/RESULTS.md`."""
