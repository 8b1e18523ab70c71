import pytest

from cort_data.errors import RecipeError
from cort_data.evaluation.request import Request


def test_the_protocol_of_cort():
    recipe = Request(models=["m"], profile="r1_distill", sets=["aime24", "math500"], protocol="cort").resolve()
    assert (recipe.sampling.temperature, recipe.sampling.top_p) == (0.6, 0.95)
    assert (recipe.rollout.tokens, recipe.rollout.calls) == (32768, 15)
    assert [recipe.eval.samples_of(part) for part in recipe.eval.sets] == [16, 4]
    assert recipe.eval.policies == ("none",)


def test_the_protocol_of_cir_is_greedy_on_math500():
    recipe = Request(models=["m"], profile="plain", sets=["aime24", "math500"], protocol="cir").resolve()
    assert (recipe.sampling.temperature, recipe.rollout.tokens) == (1.0, 16384)
    aime, math = recipe.eval.sets
    assert (aime.temperature, recipe.eval.samples_of(aime)) == (None, 16)
    assert (math.temperature, recipe.eval.samples_of(math)) == (0.0, 1)
    assert recipe.eval.ks(math) == (1,)


def test_what_is_said_counts_more_than_the_protocol():
    request = Request(
        models=["m"], profile="plain", sets=["math500"], protocol="cort", samples=8, settings=["rollout.calls=3"]
    )
    recipe = request.resolve()
    assert recipe.eval.samples_of(recipe.eval.sets[0]) == 8
    assert recipe.rollout.calls == 3


def test_modes_servers_and_cutoffs():
    request = Request(
        models=["a", "b"],
        profile="plain",
        url="http://here/v1",
        sets=["x=y.jsonl"],
        modes=["text", "code", "hinted"],
        cutoff="2024-06-30",
        limit=5,
        samples=4,
        ks=[2, 4],
    )
    recipe = request.resolve()
    assert recipe.eval.policies == ("text", "none", "hint_engineering")
    assert (recipe.engine.kind, recipe.engine.url, recipe.eval.models) == ("openai", "http://here/v1", ("a", "b"))
    assert recipe.eval.cutoffs == {"a": "2024-06-30", "b": "2024-06-30"}
    assert recipe.eval.sets[0].n == 5
    assert recipe.eval.ks(recipe.eval.sets[0]) == (2, 4)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(sets=["aime24"]), "--model is required"),
        (Request(models=["nano-teacher"]), "--problems is required"),
        (Request(models=["m"], sets=["aime24"]), "--profile is required"),
        (Request(models=["m"], profile="plain", sets=["a"], modes=["words"]), "--mode words: there are text, code"),
        (Request(models=["m"], profile="plain", sets=["a"], protocol="mine"), "--protocol mine: there are cort, cir"),
        (
            Request(models=["m"], profile="plain", sets=["a"], samples=2, ks=[4]),
            r"eval\.k: k must be .* \(2\)",
        ),
        (Request(models=["m"], profile="plain", sets=["a", "a=b.jsonl"]), "sets need names of their own"),
        (Request(models=["m"], profile="plain", sets=["a"], cutoff="2024-13-01"), "eval.cutoffs.m: must be a day"),
        (Request(models=["m"], profile="plain", sets=["a"], settings=["eval.sets.0.tmp=1"]), "unknown key"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(request_, message):
    with pytest.raises(RecipeError, match=message) as error:
        request_.resolve()
    assert "\n" not in str(error.value)
