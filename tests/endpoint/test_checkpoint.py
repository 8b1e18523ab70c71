"""Which recipe a model is served with."""

import json

import pytest

from cort_data.endpoint.checkpoint import ServeRequest
from cort_data.engines.settings import EngineKind
from cort_data.errors import CortError

LINEAGE = {
    "settings": {"profile": "nano", "prompt": "cir"},
    "interpreter": {"semantics": [{"backend": "local", "timeout_s": 3.0, "memory_mb": 300, "output_chars": 500}]},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_checkpoint_is_served_as_it_was_trained(folder):
    (folder / "lineage.json").write_text(json.dumps(LINEAGE))
    recipe = ServeRequest(str(folder)).resolve()
    assert (recipe.engine.model, recipe.engine.profile, recipe.rollout.prompt) == (str(folder), "nano", "cir")
    limits = recipe.interpreter
    assert (limits.timeout_s, limits.memory_mb, limits.output_chars) == (3.0, 300, 500)


def test_what_is_asked_for_comes_before_what_a_checkpoint_says(folder):
    (folder / "lineage.json").write_text(json.dumps(LINEAGE))
    options = (("rollout.calls", 2), ("rollout.tokens", None))
    asked = ServeRequest(str(folder), profile="qwq", options=options, settings=["rollout.prompt=cort"])
    recipe = asked.resolve()
    assert (recipe.engine.profile, recipe.rollout.prompt, recipe.rollout.calls) == ("qwq", "cort", 2)
    assert recipe.rollout.tokens == 32768


def test_a_shipped_model_has_its_profile_and_any_other_needs_one(folder):
    recipe = ServeRequest("nano-student").resolve()
    assert (recipe.engine.model, recipe.engine.profile, recipe.rollout.prompt) == ("nano-student", "nano", "plain")
    with pytest.raises(CortError, match="--profile is required: how the model's family is prompted; there are "):
        ServeRequest(str(folder)).resolve()
    assert ServeRequest(str(folder), settings=["engine.profile=qwq"]).resolve().engine.profile == "qwq"


def test_a_model_on_a_server_is_not_looked_for_here():
    recipe = ServeRequest("OWNER/NAME", url="http://localhost:1/v1", profile="qwen3").resolve()
    assert (recipe.engine.kind, recipe.engine.url) == (EngineKind.OPENAI, "http://localhost:1/v1")
    assert recipe.engine.model == "OWNER/NAME"


def test_a_recipe_says_all_that_is_not_asked_for():
    recipe = ServeRequest("nano-student", recipe="nano", options=(("sampling.temperature", 0.0),)).resolve()
    assert (recipe.engine.model, recipe.engine.profile) == ("nano-student", "nano")
    assert (recipe.rollout.calls, recipe.rollout.tokens, recipe.sampling.temperature) == (6, 1000, 0.0)


@pytest.mark.parametrize("model", ["nowhere", "nano-nobody", "./x/y"])
def test_what_is_no_model_is_said_in_one_line(model):
    with pytest.raises(CortError, match="MODEL: there is no model ") as caught:
        ServeRequest(model, profile="nano").resolve()
    assert "\n" not in str(caught.value)
