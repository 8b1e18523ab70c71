"""Profiles as data: they load, they agree with their file names, and prompts give their content back."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cort_data.errors import RecipeError
from cort_data.profiles import Dialect, Profile, load_profile, profile_names


def test_the_shipped_profiles():
    assert profile_names() == [
        "deepseek_v3", "gpt_oss", "nano", "plain", "qwen3", "qwen3_thinking", "qwen3_tools", "qwq", "r1_distill",
    ]  # fmt: skip
    assert [load_profile(name).name for name in profile_names()] == profile_names()
    assert {load_profile(name).dialect for name in profile_names()} == set(Dialect)


@pytest.mark.parametrize("name", profile_names())
@given(content=st.text())
def test_a_prompt_gives_its_content_back(name, content):
    profile = load_profile(name)
    assert profile.content_of(profile.render(content)) == content


def test_a_prompt_of_another_family_has_no_content():
    assert load_profile("nano").content_of(load_profile("qwq").render("Why?")) is None


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(RecipeError, match="no profile named 'qwen'; there are deepseek_v3, gpt_oss, nano"):
        load_profile("qwen")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: a, template: '{{ content }}', dialect: harmony}", "need tags"),
        ("{name: a, template: '{{ content }}', think_close: '</t>'}", "must contain think_close"),
        ("{name: a, template: '{{ content }}', stops: []}", "Extra inputs"),
    ],
)
def test_a_profile_that_does_not_hold_is_refused(text, message):
    with pytest.raises(ValidationError, match=message):
        Profile.model_validate(yaml.safe_load(text))
