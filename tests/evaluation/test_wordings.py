import pytest

from cort_data.errors import RecipeError
from cort_data.evaluation.wordings import checked, seen_wordings
from cort_data.trace import HintMark, Kind, Origin, Problem, Segment, Trace

SEEN = {"open": frozenset({"hint 0"})}


def hinted(seed, wording):
    mark = HintMark(name="open", trigger="t", wording=wording, span_start=0, span_end=0)
    hint = Segment(kind=Kind.TEXT, origin=Origin.HINT, text=f"hint {wording}\n", hint=mark)
    problem = Problem(id="p", text="q", answer="1")
    return Trace(id="t", problem=problem, prompt="", seed=seed, segments=[hint], stop_reason="answered")


@pytest.mark.parametrize(("seed", "wording"), [(0, 1), (1, 0)])
def test_a_wording_of_the_wrong_kind_is_refused(seed, wording):
    with pytest.raises(RecipeError, match="have come apart"):
        list(checked([hinted(seed, wording)], SEEN))


def test_traces_with_the_right_kind_and_those_of_other_models_pass():
    traces = [hinted(0, 0), hinted(1, 1)]
    assert list(checked(traces, SEEN)) == traces
    assert list(checked([hinted(1, 0)], None))


def test_only_nano_models_say_which_wordings_they_saw(tmp_path):
    assert "delayed_computation" in seen_wordings("nano-teacher")
    assert seen_wordings(str(tmp_path)) is None
