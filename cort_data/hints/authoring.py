"""A hint file to begin with: valid as it stands, and commented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from cort_data.data import data_dir
from cort_data.errors import HintError
from cort_data.hints.library import load_folder
from cort_data.hints.template import NAME, VARIABLES, Hint, Place, load_hint
from cort_data.hints.triggers import Trigger
from cort_data.hints.triggers.registry import find_trigger

DEFAULT_TRIGGER = "manual_arithmetic"
_EXAMPLES = {("regex", "pattern"): r"(?i)\blong division\b"}

_HEAD = """\
---
# When this hint goes in, where, and what it says. Is it well-formed? cort hints check {path}
name: {name}
# The detector that decides when, with its parameters; a line that you do not change may go.
trigger:
{trigger}
# here: after what was detected; at_span_start: that is taken back; after_output: back to the last output
place: {place}
# Times in one trace
max_uses: {max_uses}
# The higher wins when two hints fire at once; the shipped ones have 10 to 45
priority: {priority}
# The first is the default; a wording in another one begins with a tag, as in: {{# lang: zh #}}
languages: [en]
---
"""
_CODE = """\
{{# Wordings stand between lines of ---; the trace's seed chooses one. They may use {variables}.
   One that ends with an opening fence makes the model write the code. #}}
A few lines of Python will do this part.
```python
---
I leave this step to the interpreter.
```python
"""
_WORDS = """\
{{# Wordings stand between lines of ---; the trace's seed chooses one. They may use {variables}. #}}
Let me say in a sentence what this step is for, and go on from there.
---
One thing at a time: what is known here, and what is still to be found?
"""


def new_hint(name: str, trigger: str, folder: Path) -> Path:
    """Write `folder/NAME.md`. Raises HintError for a bad name, an unknown trigger, or a file that is there."""
    if not re.fullmatch(NAME, name):
        raise HintError(f"{name!r} cannot be a hint's name; write lower-case letters, digits and _, as long_division")
    path = folder / f"{name}.md"
    text = hint_text(name, find_trigger(trigger), path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise HintError(f"{path}: is there already; choose another name, or edit that file") from None
    except OSError as error:
        raise HintError(f"{path}: cannot be written ({error.strerror}); choose another folder with --dir") from None
    load_hint(path)
    return path


def hint_text(name: str, trigger: type[Trigger], path: Path) -> str:
    """What stands in a new hint file. Raises HintError for a trigger whose parameters nobody can guess."""
    like = _like(trigger.name)
    opens_code = like.opens_code if like else False
    head = _HEAD.format(
        path=path,
        name=name,
        trigger="\n".join(f"  {line}" for line in _parameters(trigger)),
        place=(like.place if like else Place.HERE).value,
        max_uses=like.max_uses if like else 1,
        priority=like.priority + 1 if like else 20,
    )
    return head + (_CODE if opens_code else _WORDS).format(variables=", ".join(VARIABLES))


def _like(trigger: str) -> Hint | None:
    """A shipped hint with this trigger: it knows the place and the words that fit."""
    shipped = load_folder(data_dir("hints")).values()
    return next((hint for hint in shipped if hint.trigger.name == trigger), None)


def _parameters(trigger: type[Trigger]) -> Iterator[str]:
    yield f"name: {trigger.name}"
    for name, field in trigger.model_fields.items():
        value = _EXAMPLES.get((trigger.name, name), (field.examples or [field.default])[0])
        if value is PydanticUndefined:
            raise HintError(
                f"trigger {trigger.name}: nobody can guess a value of {name} "
                f"({field.description or 'it has no description'}); copy a hint that uses this trigger"
            )
        if field.description:
            yield f"# {field.description}"
        yield f"{name}: {_yaml(value)}"


def _yaml(value: Any) -> str:  # noqa: ANN401 - the value of any parameter
    """On one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
