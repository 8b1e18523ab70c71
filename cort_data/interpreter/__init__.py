"""Sessions that run python: one contract, several backends."""
