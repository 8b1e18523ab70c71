"""Model profiles: what differs between model families, as data, one small YAML file a family."""

from __future__ import annotations

from importlib import resources

import yaml
from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from cort_data.errors import RecipeError


class Profile(BaseModel):
    """How one model family is prompted and how it marks its thinking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    think_open: str = Field("<think>", description="Tag that opens the thinking")
    think_close: str = Field("</think>", description="Tag that ends the thinking; the answer follows")
    template: str = Field(description="Jinja2 over `content`; ends where the model starts to think")

    def render(self, content: str) -> str:
        """The prompt, up to and with the opening think tag where the family has one."""
        return (
            Environment(undefined=StrictUndefined, keep_trailing_newline=True)
            .from_string(self.template)
            .render(content=content)
        )


def profile_names() -> list[str]:
    """Profiles that ship with cort."""
    return sorted(f.name.removesuffix(".yaml") for f in resources.files(__name__).iterdir() if f.name.endswith(".yaml"))


def load_profile(name: str) -> Profile:
    """Raises RecipeError for a name that does not ship."""
    file = resources.files(__name__) / f"{name}.yaml"
    if not file.is_file():
        raise RecipeError(f"engine.profile: no profile named {name!r}; there are {', '.join(profile_names())}")
    return Profile.model_validate(yaml.safe_load(file.read_text("utf-8")))
