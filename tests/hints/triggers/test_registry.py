"""Triggers of other distributions: found by entry point, loaded when named, refused in one line when broken."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hint_samples import hint_file

from cort_data.errors import HintError
from cort_data.hints.template import load_hint
from cort_data.hints.triggers.registry import find_trigger, make_trigger, origin, trigger_names

README = (Path(__file__).parents[3] / "README.md").read_text()
[MODULE] = re.findall(r"^```python\n(.*?class LongSentence.*?)^```$", README, re.DOTALL | re.MULTILINE)
HINT = "{name: long_sentence, chars: 60}"


def install(folder, entries, module=MODULE, name="long-sentences"):
    """A distribution as pip leaves it: its module, its metadata and its entry points."""
    package = name.replace("-", "_")
    (folder / f"{package}.py").write_text(module)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[cort_data.triggers]", *lines, ""]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def test_the_shipped_triggers_and_the_judge_have_names():
    assert {"manual_arithmetic", "judge", "box_missing"} <= set(trigger_names())
    assert origin("judge") == "cort"
    assert make_trigger({"name": "loop", "repeats": 3}).repeats == 3


def test_a_trigger_of_another_distribution(site, tmp_path):
    install(site, {"long_sentence": "long_sentences:LongSentence"})
    assert "long_sentence" in trigger_names()
    assert "long_sentences" not in sys.modules  # names need no import
    assert load_hint(hint_file(tmp_path, trigger=HINT)).trigger.chars == 60
    assert origin("long_sentence") == "long-sentences 1.0"
    with pytest.raises(HintError, match=r"tedious\.md:3: unknown key trigger\.char; did you mean chars\?"):
        load_hint(hint_file(tmp_path, trigger="{name: long_sentence, char: 60}"))


def test_it_fires_end_to_end(site, tmp_path):
    install(site, {"long_sentence": "long_sentences:LongSentence"})
    hint_file(tmp_path, "breathe", trigger=HINT, body="Let me stop here.\n")
    text = "Short. This one goes on and on, and on and on, and it does not come to an end, not yet.\n"
    line = {"id": "a", "problem": "What?", "completion": f"{text}</think>\nIt is \\boxed{{1}}."}
    (tmp_path / "cot.jsonl").write_text(json.dumps(line) + "\n")
    command = [sys.executable, "-m", "cort_data", "hints", "preview", "--hints", tmp_path, "--hint", "breathe"]
    command += ["--traces", tmp_path / "cot.jsonl", "--profile", "plain", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(site)}, check=False)
    [row] = map(json.loads, done.stdout.splitlines())
    assert (row["trigger"], row["start"], row["text"]) == ("long_sentence", 7, "\nLet me stop here.\n")


BROKEN = {
    "no module": ({"x": "not_there:X"}, "", "x", "cannot be loaded: ModuleNotFoundError"),
    "no class": ({"x": "brought:X"}, "", "x", "cannot be loaded: AttributeError"),
    "an error": ({"x": "brought:X"}, "1/0", "x", "cannot be loaded: ZeroDivisionError"),
    "another thing": ({"x": "brought:X"}, "X = 3", "x", "is no trigger; expected a subclass"),
    "another name": ({"x": "brought:LongSentence"}, MODULE, "x", "says name = 'long_sentence'"),
    "a shipped name": ({"loop": "brought:X"}, "", "loop", "cort has one of this name already; rename it"),
}


@pytest.mark.parametrize(("entries", "module", "name", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_ones_are_named_in_one_line(site, tmp_path, entries, module, name, message):
    install(site, entries, module, "brought")
    with pytest.raises(HintError, match=message) as error:
        load_hint(hint_file(tmp_path, trigger=f"{{name: {name}}}"))
    assert str(error.value).startswith(f"{tmp_path / 'tedious.md'}:3: trigger {name!r} of brought 1.0 (entry point ")
    assert "\n" not in str(error.value)


def test_two_distributions_of_one_name(site):
    install(site, {"x": "one:X"}, "", "one")
    install(site, {"x": "two:X"}, "", "two")
    with pytest.raises(HintError, match=r"trigger 'x' of (one|two) 1.0 .*: (one|two) 1.0 has one of this name"):
        find_trigger("x")
