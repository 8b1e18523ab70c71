"""The corpus as annotated completions: the text is the same, and spans are where the generator put them."""

from itertools import islice

import pytest

from cort_data.hints.scoring import outcome, quality
from cort_data.hints.triggers import TRIGGERS
from cort_data.nano.corpus import Mixture, traces
from cort_data.nano.spans import marked, marked_traces
from cort_data.trace import Origin

MIXTURE = Mixture(loop=0.3, recheck=0.5)


def test_the_text_is_kept_and_hints_have_their_writer():
    for trace in islice(traces("dev", 1, MIXTURE), 60):
        completion = marked(trace, "a").completion
        assert completion.text == trace.text
        hints = [piece.text for piece in trace.pieces if piece.origin is Origin.HINT]
        prose = [text.partition("```python")[0] for text in hints]  # an opening belongs to the block
        assert [s.text for s in completion.segments if s.origin is Origin.HINT] == [text for text in prose if text]


def test_gold_is_hand_work_of_three_steps_re_checks_and_second_rounds():
    seen = set()
    for trace in islice(traces("dev", 1, MIXTURE), 60):
        text = trace.text
        for gold in marked(trace, "a").gold:
            seen.add(gold.label)
            if gold.label == "manual_arithmetic":
                assert text[gold.start : gold.end].count("=") >= 3
            if gold.label == "loop":
                line = text[gold.start :].partition("\n")[0]
                assert text[: gold.start].endswith(line + "\n")
    assert seen == {"manual_arithmetic", "result_distrust", "loop"}


@pytest.mark.parametrize("name", ["manual_arithmetic", "result_distrust", "loop"])
def test_the_triggers_find_what_the_generator_wrote(name):
    """Mechanism only."""
    outcomes = [outcome(one, TRIGGERS[name]()) for one in islice(marked_traces("dev", 2, MIXTURE), 80)]
    figures = quality(outcomes)
    assert figures.precision is not None
    assert figures.recall is not None
    assert min(figures.precision.value, figures.recall.value) >= 0.9
