"""The `jupyter` backend: every session is an ipykernel of its own, on any system, without isolation."""
