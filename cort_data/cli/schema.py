"""`cort schema`: the JSON schema of a file format."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cort_data.schema import Form, schema_of


def schema(form: Annotated[Form, typer.Argument(help="Which format.")] = Form.TRACE) -> None:
    """Print the JSON schema of a trace line, a problem line, a recipe or a hint's front matter.

    Examples: `cort schema` · `cort schema recipe > recipe.schema.json`
    """
    print(json.dumps(schema_of(form), indent=2, ensure_ascii=False))
