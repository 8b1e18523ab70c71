"""New hint files: valid for every trigger, never over another file."""

import pytest

from cort_data.errors import HintError
from cort_data.hints.authoring import new_hint
from cort_data.hints.template import Place, load_hint
from cort_data.hints.triggers.registry import trigger_names


@pytest.mark.parametrize("trigger", trigger_names())
def test_a_new_hint_is_valid_and_says_all_parameters(tmp_path, trigger):
    path = new_hint("mine", trigger, tmp_path / "my-hints")
    hint = load_hint(path)
    assert (hint.name, hint.trigger.name, len(hint.wordings)) == ("mine", trigger, 2)
    text = path.read_text()
    assert all(f"\n  {name}: " in text for name in type(hint.trigger).model_fields)


def test_place_and_fence_are_those_of_the_shipped_hint(tmp_path):
    hint = load_hint(new_hint("a", "manual_arithmetic", tmp_path))
    assert (hint.place, hint.opens_code) == (Place.AT_SPAN_START, True)
    hint = load_hint(new_hint("b", "code_error", tmp_path))
    assert (hint.place, hint.opens_code) == (Place.AFTER_OUTPUT, False)


def test_what_is_there_stays(tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("my own words")
    with pytest.raises(HintError, match=r"mine\.md: is there already; choose another name"):
        new_hint("mine", "loop", tmp_path)
    assert path.read_text() == "my own words"


@pytest.mark.parametrize(
    ("name", "trigger", "message"),
    [("Mine", "loop", "'Mine' cannot be"), ("../x", "loop", "cannot be"), ("x", "lop", "did you mean loop?")],
)
def test_bad_names_leave_nothing(tmp_path, name, trigger, message):
    with pytest.raises(HintError, match=message):
        new_hint(name, trigger, tmp_path / "hints")
    assert not (tmp_path / "hints").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HintError, match="cannot be written"):
        new_hint("x", "loop", tmp_path / "file" / "hints")
