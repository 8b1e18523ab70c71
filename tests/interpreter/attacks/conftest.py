"""One arena a level for the whole suite, which looks for leaks when it ends."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from cort_data.interpreter import isolation_report

from ..processes import descendants, open_descriptors, settled
from .arena import Arena
from .outside import CANARY, Outside

Open = Callable[[str], Arena]


@pytest.fixture(scope="package")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """The world around the sessions: the client's home and environment, with credentials in them."""
    with pytest.MonkeyPatch.context() as patch, Outside(tmp_path_factory.mktemp("outside")) as outside:
        patch.setenv("HOME", str(outside.home))
        patch.setenv("CORT_CANARY_TOKEN", CANARY)
        yield outside


@pytest.fixture(scope="package")
def arenas(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens the arena of a level with the first test that needs it; leaves nothing of any."""
    possible = {feature.name for feature in isolation_report() if feature.available}
    processes, descriptors = descendants(), open_descriptors()
    temporary = tmp_path_factory.mktemp("temporary")
    opened: dict[str, Arena] = {}
    closing = ExitStack()

    def open_arena(level: str) -> Arena:
        if level != "none" and f"isolation {level}" not in possible:
            pytest.skip(f"this machine offers no isolation {level}")
        if level not in opened or not opened[level].alive:
            arena = Arena(level, outside)
            closing.callback(arena.close)
            arena.look_around()
            opened[level] = arena
        return opened[level]

    with pytest.MonkeyPatch.context() as patch, closing:
        patch.setattr(tempfile, "tempdir", str(temporary))
        yield open_arena
    assert settled(processes) == processes
    assert open_descriptors() == descriptors
    assert list(temporary.iterdir()) == []


@pytest.fixture(params=["full", "reduced"])
def arena(request: pytest.FixtureRequest, arenas: Open) -> Arena:
    """Each level that isolates."""
    return arenas(request.param)


@pytest.fixture(params=["full", "reduced", "none"])
def anywhere(request: pytest.FixtureRequest, arenas: Open) -> Arena:
    """Each level, for what even `none` promises."""
    return arenas(request.param)


@pytest.fixture
def full(arenas: Open) -> Arena:
    """The strongest level, for what only namespaces give."""
    return arenas("full")
