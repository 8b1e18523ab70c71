"""Recipes: one YAML file a complete run. `schema` says what may stand in one, `reading` reads it."""

from cort_data.recipe.reading import find_recipe, load_recipe, parse_recipe, recipe_names
from cort_data.recipe.schema import InterpreterSettings, ProblemSource, Recipe, StageName, SynthFrom

__all__ = [
    "InterpreterSettings",
    "ProblemSource",
    "Recipe",
    "StageName",
    "SynthFrom",
    "find_recipe",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
]
