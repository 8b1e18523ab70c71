"""From traces to a fine-tuned model: token rows with exact masks, training on them, and what a checkpoint carries.

`settings` and `plan` are light; the rest needs the extra `train` and is imported where it is used.
"""
