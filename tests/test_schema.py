from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.schema import Form, schema_of


@pytest.mark.parametrize("form", list(Form))
def test_every_form_prints_a_schema_with_descriptions(form: Form) -> None:
    result = CliRunner().invoke(app, ["schema", form.value])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == schema_of(form)
    assert schema_of(form)["properties"]


def test_a_trace_is_the_default() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert {"schema_version", "segments", "events"} <= json.loads(result.stdout)["properties"].keys()


def test_an_unknown_form_is_refused() -> None:
    result = CliRunner().invoke(app, ["schema", "seed"])
    assert result.exit_code == 2
    assert "'seed' is not one of" in result.output
