import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import RecipeError
from cort_data.recipe import Recipe, StageName, load_recipe, parse_recipe, recipe_names

GOOD = """
name: mine
problems:
  synth: {source: nano, n: 3}
engine: {model: m}
rollout:
  calls: 4
filters:
  - format
  - {name: over_length, tokens: 300}
stages: [synth]
"""


def parse(text, *sets):
    return parse_recipe(text, "r.yaml", list(sets))


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_parses_and_is_named_as_its_file(name):
    assert load_recipe(name).name == name


def test_the_three_recipes_ship():
    assert {"nano", "prompt_hint", "hint_engineering"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_reads_back_as_itself(name):
    recipe = load_recipe(name)
    assert parse_recipe(recipe.to_yaml(), "again", []) == recipe


def test_every_key_says_what_it_is():
    def undescribed(schema, path=""):
        for name, field in schema.get("properties", {}).items():
            if not field.get("description"):
                yield f"{path}.{name}"

    schema = Recipe.model_json_schema()
    sections = {"": schema, **schema["$defs"]}
    assert [p for name, s in sections.items() for p in undescribed(s, name)] == []


def test_settings_go_on_top():
    recipe = parse(GOOD, "rollout.calls=7", "filters.1.tokens=9", "problems.synth.n=5", "sampling.top_p=0.5")
    assert recipe.rollout.calls == 7
    assert recipe.filters[1].model_dump() == {"name": "over_length", "tokens": 9}
    assert recipe.problems.synth is not None
    assert recipe.problems.synth.n == 5
    assert recipe.sampling.top_p == 0.5


def test_a_problem_file_may_stand_alone():
    recipe = parse(GOOD, "problems.synth=my.jsonl")
    assert recipe.problems.synth is not None
    assert (recipe.problems.synth.source, recipe.problems.synth.n) == ("my.jsonl", None)


def test_a_setting_below_a_short_form():
    recipe = parse(GOOD, "problems.synth=my.jsonl", "problems.synth.n=2", "filters.0=over_length", "filters.0.tokens=9",
                   "filters.1=format")  # fmt: skip
    assert recipe.problems.synth is not None
    assert (recipe.problems.synth.source, recipe.problems.synth.n) == ("my.jsonl", 2)
    assert recipe.filters[0].model_dump() == {"name": "over_length", "tokens": 9}


BAD = {
    "name: [": "r.yaml:1: broken YAML: expected the node content",
    "a: 1\nb: {": "r.yaml:2: broken YAML",
    "": "r.yaml: a recipe is a mapping of keys (name, problems, engine, …), got nothing",
    "- a": "r.yaml: a recipe is a mapping of keys (name, problems, engine, …), got list",
    "name: x\nengin: {}": "r.yaml:2: engin: unknown key; did you mean engine?",
    "name: x\nengine: {model: m}": "r.yaml: problems: required and missing",
    "name: x\nname: y": "r.yaml:2: the key name stands twice",
    GOOD + "rollout: {calls: 1}": "the key rollout stands twice",
    GOOD.replace("calls: 4", "callls: 4"): "r.yaml:7: rollout.callls: unknown key; did you mean calls?",
    GOOD.replace("calls: 4", "calls: -4"): "r.yaml:7: rollout.calls: must be greater than or equal to 0, got -4",
    GOOD.replace("calls: 4", "prompt: cott"): "r.yaml:7: rollout.prompt: must be one of cort, cir, plain",
    GOOD.replace("{model: m}", "{model: m, kind: vlm}"): "r.yaml:5: engine.kind: must be 'transformers', 'vllm' or",
    GOOD.replace(", n: 3", ""): "r.yaml:4: problems.synth: nano problems are generated without end",
    GOOD.replace("[synth]", "[filter, synth]"): "r.yaml: stages must be in the order synth, filter, dataset, ",
    GOOD.replace("[synth]", "[eval]"): "r.yaml: the stage eval needs problems.test",
    GOOD.replace("- format", "- formatt"): "r.yaml: filters.0: unknown filter 'formatt'; did you mean format?",
    GOOD.replace("tokens: 300", "tokens: 3, tokns: 3"): "r.yaml: filters.1 (over_length): unknown parameter 'tokns'",
    GOOD.replace("\n  calls: 4", " 4"): "r.yaml:6: rollout: must be a mapping of keys, got 4",
}


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_what_does_not_hold_is_named_in_one_line(text, message):
    with pytest.raises(RecipeError) as error:
        parse(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


BAD_SETS = {
    "rollout": "--set rollout: expected KEY=VALUE",
    "rollout.calls=[": "--set rollout.calls=[: the value is not YAML",
    "rollout.calls=many": "--set rollout.calls=many: rollout.calls: must be a valid integer",
    "rolout.calls=3": "--set rolout.calls=3: rolout: unknown key; did you mean rollout?",
    "filters.7=format": "--set filters.7=format: 7 must be the index of a list item, 0 to 1",
    "name.x=1": "--set name.x=1: name is a plain value ('mine')",
}


@pytest.mark.parametrize(("setting", "message"), BAD_SETS.items())
def test_a_bad_setting_is_named(setting, message):
    with pytest.raises(RecipeError) as error:
        parse(GOOD, setting)
    assert message in str(error.value)


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(RecipeError, match=r"nowhere: no such recipe file.*hint_engineering, nano"):
        load_recipe("nowhere")


def test_bytes_that_are_not_text(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"name: \xff")
    with pytest.raises(RecipeError, match="cannot be read as UTF-8 text"):
        load_recipe(tmp_path / "r.yaml")


def test_places_and_parallelism_do_not_change_the_digest():
    digest = parse(GOOD).digest()
    assert parse(GOOD, "engine.in_flight=3", "engine.url=http://elsewhere/v1").digest() == digest
    remote = ("interpreter.backend=remote", "interpreter.url=http://elsewhere:8400")
    assert parse(GOOD, *remote).digest() == digest
    assert parse(GOOD, *remote, "interpreter.isolation=none").digest() != digest
    assert parse(GOOD, "interpreter.backend=jupyter").digest() != digest
    assert parse(GOOD, "rollout.calls=5").digest() != digest
    assert parse(GOOD, "problems.synth=a.jsonl").digest() == parse(GOOD, "problems.synth=b.jsonl").digest()


def test_a_stage_is_run_by_its_name():
    assert parse(GOOD, "stages=[synth, filter]").stages == (StageName.SYNTH, StageName.FILTER)


@given(st.text(alphabet="ab:-[]{}\n \"'|>&*!,1", max_size=60))
def test_any_text_is_a_recipe_or_one_clear_line(text):
    with pytest.raises(RecipeError):
        parse(text)
