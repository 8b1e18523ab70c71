"""The nano world: generated problems, a corpus of long-thinking traces, and three tiny real language models.

It exists so that the whole chain runs with a real model on a laptop. It tests the mechanism only: figures measured
here say that the pipeline works, not how much hints help a large model.
"""
