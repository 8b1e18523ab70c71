"""Reading a recipe: a YAML file, settings on top of it, and one clear line for what does not hold.

A message names the file and line or the setting, the key, what is required, what was given, and a likely spelling.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cort_data.data import data_dir
from cort_data.errors import RecipeError
from cort_data.recipe.schema import Problems, Recipe


def recipe_names() -> list[str]:
    """Recipes that ship with cort."""
    return sorted(path.stem for path in data_dir("pipelines").glob("*.yaml"))


def find_recipe(name: str) -> Path:
    """A path as it is, or the shipped recipe of that name. Raises RecipeError."""
    if Path(name).is_file():
        return Path(name)
    shipped = data_dir("pipelines") / f"{name}.yaml"
    if Path(name).name == name and shipped.is_file():
        return shipped
    raise RecipeError(f"{name}: no such recipe file, and none of the shipped recipes ({', '.join(recipe_names())})")


def load_recipe(name: str | Path, sets: list[str] | None = None) -> Recipe:
    """Read a recipe by path or by shipped name, with `a.b=value` settings on top. Raises RecipeError."""
    path = find_recipe(str(name))
    try:
        return parse_recipe(path.read_text("utf-8"), str(path), sets or [])
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from None


def parse_recipe(text: str, where: str, sets: list[str]) -> Recipe:
    """A recipe from its text; `where` names it in messages."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(_yaml_problem(error, where)) from None
    if not isinstance(tree, dict) or not isinstance(node, yaml.MappingNode):
        given = "nothing" if tree is None else type(tree).__name__
        raise RecipeError(f"{where}: a recipe is a mapping of keys (name, problems, engine, …), got {given}")
    _refuse_duplicates(node, where)
    for setting in sets:
        _assign(tree, setting)
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(_explain(error, node, where, sets)) from None
    try:
        recipe.filter_specs()
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    return recipe


def _yaml_problem(error: yaml.YAMLError, where: str) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"{where}:{mark.line + 1}" if mark else where
    return f"{place}: broken YAML: {getattr(error, 'problem', None) or error}"


def _refuse_duplicates(node: yaml.Node, where: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, where)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise RecipeError(f"{where}:{key.start_mark.line + 1}: the key {key.value} stands twice")
            seen.add(key.value)
            _refuse_duplicates(value, where)


def _assign(tree: dict[str, Any], setting: str) -> None:
    """Carry out one `a.b=value`; the value is YAML, list items are named by their index."""
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise RecipeError(f"--set {setting}: expected KEY=VALUE, as in --set rollout.samples=4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"--set {setting}: the value is not YAML") from None
    *parents, last = path.split(".")
    holder: Any = tree
    for part in parents:
        holder = _child(holder, part, setting)
    if isinstance(holder, list):
        holder[_index(holder, last, setting)] = value
    else:
        holder[last] = value


def _child(holder: Any, part: str, setting: str) -> Any:  # noqa: ANN401 - a tree of YAML values
    """The mapping or list that stands under `part`; made where there is none, a short form written out."""
    is_list = isinstance(holder, list)
    name: Any = _index(holder, part, setting) if is_list else part
    child = holder[name] if is_list else holder.get(name)
    if child is None:
        child = holder[name] = {}
    if isinstance(child, str) and (is_list or part in Problems.model_fields):
        child = holder[name] = {"name" if is_list else "source": child}
    if not isinstance(child, dict | list):
        raise RecipeError(f"--set {setting}: {part} is a plain value ({child!r}), nothing stands below it")
    return child


def _index(items: list[Any], part: str, setting: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise RecipeError(f"--set {setting}: {part} must be the index of a list item, 0 to {len(items) - 1}")
    return int(part)


def _explain(error: ValidationError, node: yaml.Node, where: str, sets: list[str]) -> str:
    """The worst complaint in one line: place, key, requirement, what was given, and a likely spelling."""
    complaints = error.errors(include_url=False)
    worst = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    loc = worst["loc"]
    key = ".".join(str(part) for part in loc)
    place = f"{_place(node, loc, where, sets)}: {key}" if key else where
    if worst["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_suggest(loc)}"
    if worst["type"] == "missing":
        return f"{place}: required and missing"
    message = worst["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if worst["type"] == "model_type":
        message = "must be a mapping of keys"
    if isinstance(worst["input"], dict):
        return f"{place}: {message}"
    given = repr(worst["input"])
    return f"{place}: {message}, got {given[:80] + '…' if len(given) > 80 else given}"


def _place(node: yaml.Node, loc: tuple[int | str, ...], where: str, sets: list[str]) -> str:
    """The file and line that say it, or the setting on the command line that does."""
    key = ".".join(str(part) for part in loc)
    for setting in sets:
        path = f"{setting.partition('=')[0]}."
        if path.startswith(f"{key}.") or f"{key}.".startswith(path):
            return f"--set {setting}"
    line = _line_of(node, loc)
    return f"{where}:{line}" if line else where


def _line_of(node: yaml.Node, loc: tuple[int | str, ...]) -> int | None:
    """Line of the deepest part of `loc` that stands in the file; None if nothing of it does."""
    line = None
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _suggest(loc: tuple[int | str, ...]) -> str:
    """Did-you-mean for the last part of `loc`, and the keys that exist there."""
    names = _keys_at(loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}The keys here are {', '.join(names)}"


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    section: Any = Recipe
    for part in (part for part in loc if isinstance(part, str)):  # an index stays with its list's items
        section = _model_of(section.model_fields[part].annotation)
    return [field.alias or name for name, field in section.model_fields.items()]


def _model_of(annotation: Any) -> Any:  # noqa: ANN401 - typing constructs have no common type
    """The pydantic model in an annotation such as `X | None`."""
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
