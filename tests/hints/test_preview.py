"""Where hints would fire in written traces."""

from builders import make_trace
from hint_samples import BY_HAND, WORK

from cort_data.hints.policy import load_policy
from cort_data.hints.preview import preview, render_spot

TEXT = (
    BY_HAND + "Now I compute 29842 mod 7 by hand:\n29-4*7=1; 18-2*7=4; 44-6*7=2; 22-3*7=1.\n</think>\nIt is \\boxed{1}."
)


def test_each_firing_once_and_only_the_first_as_it_would_be():
    spots = list(preview(make_trace(TEXT), load_policy("none+delayed_computation")))
    assert [(spot.firing.span.start, spot.first) for spot in spots] == [(WORK, True), (len(BY_HAND), False)]


def test_what_is_shown():
    spot = next(preview(make_trace(TEXT), load_policy("none+delayed_computation")))
    shown = render_spot(spot)
    styles = {str(span.style): shown.plain[span.start : span.end] for span in shown.spans}
    assert styles["bold yellow"] == spot.firing.text
    assert styles["strike red"] == TEXT[spot.firing.cut : spot.firing.span.end]
    assert "We need 347 * 86." in shown.plain


def test_what_the_model_would_no_longer_write_is_marked_with_and_without_colours():
    first, later = preview(make_trace(TEXT), load_policy("none+delayed_computation"))
    shown = render_spot(later)
    assert "the model would no longer have written this" in shown.plain
    assert "would no longer" not in render_spot(first).plain
    dim = [shown.plain[span.start : span.end] for span in shown.spans if str(span.style) == "dim"]
    assert any(text.endswith(BY_HAND[-20:]) for text in dim)
