"""`cort seeds` as it is typed."""

import json
import sys

import pytest

from cort_data import cli
from cort_data.project import new_project


@pytest.fixture
def cort(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["cort", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


def test_list_and_show(cort):
    _, out, _ = cort("seeds", "list", "--json")
    ids = [json.loads(line)["id"] for line in out.splitlines()]
    assert "two-red-balls" in ids
    _, out, _ = cort("seeds", "show", "two-red-balls")
    assert "An urn holds 5 red" in out
    assert cort("seeds", "show", "nothing")[0] == 2


def test_check_with_the_real_interpreter(cort, tmp_path):
    """The shipped seeds hold; one with a changed output is named with file and line, and the exit code is 1."""
    code, out, err = cort("seeds", "check", "--isolation", "none")
    assert (code, out) == (0, "")
    assert "0 with complaints" in err
    changed = tmp_path / "changed.md"
    _, listed, _ = cort("seeds", "list", "--json")
    [path] = [row["file"] for row in map(json.loads, listed.splitlines()) if row["id"] == "bus-tickets"]
    with open(path) as file:
        changed.write_text(file.read().replace("[28]", "[27]"))
    code, out, _ = cort("seeds", "check", "--isolation", "none", str(changed))
    assert code == 1
    assert f"{changed}:17: block 1 prints '[28]' and not '[27]'" in out


def test_seeds_of_the_place_come_first(cort, tmp_path, monkeypatch):
    new_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    _, out, _ = cort("seeds", "list", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["odd-digit-primes"]
    code, out, err = cort("seeds", "check", "--isolation", "none")
    assert (code, out) == (0, "")
    assert "1 seeds checked" in err
    assert "An urn holds 5 red" in cort("seeds", "show", "two-red-balls")[1]
    assert "all primes below 200" in cort("seeds", "show", "odd-digit-primes")[1]
