"""Where hints, seeds and pipelines are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cort_data.errors import CortError

Kind = Literal["hints", "seeds", "pipelines"]

_PACKAGE = Path(__file__).parent


def data_dir(kind: Kind) -> Path:
    """The folder that came with this version. Raises CortError if the installation is incomplete."""
    for path in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind):
        if path.is_dir():
            return path
    raise CortError(
        f"{_PACKAGE / '_data' / kind}: the {kind} folder of the package is missing; install cort-data again"
    )
