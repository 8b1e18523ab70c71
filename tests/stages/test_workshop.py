import pytest

from cort_data.errors import CortError, HintError, RecipeError
from cort_data.recipe import load_recipe
from cort_data.stages.workshop import (
    engine_settings,
    interpreter_of,
    interpreter_used,
    model_hash,
    policy_hash,
    policy_of,
    trace_key,
)

from .fakes import recipe


def test_a_recipe_may_bring_its_own_wordings(tmp_path):
    mine = recipe(tmp_path, "rollout.wordings={open: [Let us use code.]}")
    [hint] = policy_of(mine, "prompt_hint").hints
    assert [w.source for w in hint.wordings] == ["Let us use code."]
    assert policy_hash(policy_of(mine, "prompt_hint")) != policy_hash(policy_of(recipe(tmp_path), "prompt_hint"))


def test_wordings_of_an_unknown_hint_are_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"rollout\.wordings\.opne: no hint of that name"):
        policy_of(recipe(tmp_path, "rollout.wordings={opne: [x]}"), "none")


def test_a_wording_that_is_no_template_is_refused(tmp_path):
    with pytest.raises(HintError, match=r"rollout\.wordings\.open"):
        policy_of(recipe(tmp_path, "rollout.wordings={open: ['{{ x']}"), "prompt_hint")


@pytest.mark.parametrize("name", ["prompt_hint", "hint_engineering"])
def test_the_paper_recipes_have_the_papers_sentences(name):
    loaded = load_recipe(name)
    wordings = {hint.name: hint.wordings for hint in policy_of(loaded, loaded.rollout.policy).hints}
    assert [w.source for w in wordings["open"]] == [
        "Okay, let's try to solve this problem step by step using multiple python code calls"
    ]
    for hint, texts in loaded.rollout.wordings.items():
        assert len(wordings[hint]) == len(texts)


def test_the_key_of_a_trace_holds_what_shapes_it(tmp_path):
    key = trace_key(recipe(tmp_path), "fake", "none")
    assert trace_key(recipe(tmp_path, "engine.in_flight=9", "rollout.samples=7"), "fake", "none") == key
    remote = recipe(tmp_path, "interpreter.backend=remote", "interpreter.url=http://elsewhere:8400")
    assert trace_key(remote, "fake", "none") == key
    assert interpreter_used(remote) == interpreter_used(recipe(tmp_path))
    assert trace_key(recipe(tmp_path, "interpreter.backend=jupyter"), "fake", "none") != key
    assert trace_key(recipe(tmp_path, "rollout.tokens=9"), "fake", "none") != key
    assert trace_key(recipe(tmp_path), "fake", "prompt_hint") != key


def test_a_model_is_known_by_its_files_wherever_they_lie(tmp_path):
    for name, weight in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weight)
    hashes = [model_hash(recipe(tmp_path), str(tmp_path / name)) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert model_hash(recipe(tmp_path), str(tmp_path / "none")) is None
    assert model_hash(recipe(tmp_path, "engine.kind=openai"), str(tmp_path / "a")) is None


def test_nano_models_are_found_by_name(tmp_path):
    settings = engine_settings(recipe(tmp_path), "nano-teacher")
    assert settings.model.endswith("cort_data/nano/weights/teacher")
    assert engine_settings(recipe(tmp_path, "engine.kind=openai"), "nano-teacher").model == "nano-teacher"


def test_an_unknown_policy_names_those_there_are(tmp_path):
    with pytest.raises(CortError, match="none, prompt_hint, hint_engineering"):
        policy_of(recipe(tmp_path), "hope")


def test_a_remote_interpreter_is_opened_at_its_address(tmp_path, monkeypatch):
    monkeypatch.delenv("CORT_INTERPRETER_TOKEN", raising=False)
    with pytest.raises(CortError, match="http://elsewhere:8400 wants a token"):
        interpreter_of(recipe(tmp_path, "interpreter.backend=remote", "interpreter.url=http://elsewhere:8400"))
    with pytest.raises(CortError, match=r"interpreter\.url: expected the address of a server"):
        interpreter_of(recipe(tmp_path, "interpreter.backend=remote"))
