"""Hint files: what a good one becomes, and the line that names what is wrong with a bad one."""

import re
from pathlib import Path

import pytest
from hint_samples import hint_file
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import HintError
from cort_data.hints.library import check_paths, load_folder, load_library
from cort_data.hints.template import VARIABLES, Place, load_hint
from cort_data.hints.triggers import TRIGGERS

SHIPPED = Path(__file__).parents[2] / "hints"
FENCED = "Run it:\n```python\n---\nSecond {{ calls_left }}.\n"


def test_a_hint_file_is_read_whole(tmp_path):
    hint = load_hint(hint_file(tmp_path, body=FENCED, trigger="{name: manual_arithmetic, steps: 4}", priority=7))
    assert (hint.name, hint.place, hint.max_uses, hint.priority) == ("tedious", Place.AT_SPAN_START, 2, 7)
    assert hint.trigger.steps == 4
    assert [w.render({"calls_left": 3}) for w in hint.wordings] == ["Run it:\n```python\n", "Second 3.\n"]
    assert hint.opens_code


def test_defaults(tmp_path):
    hint = load_hint(hint_file(tmp_path, trigger="think_open", place=None, max_uses=None))
    assert (hint.place, hint.max_uses, hint.priority, hint.languages) == (Place.HERE, 1, 0, ("en",))


def test_line_ends_of_other_systems_and_a_closing_separator(tmp_path):
    path = hint_file(tmp_path, body="One.\n---\nTwo.\n---\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [w.source for w in load_hint(path).wordings] == ["One.", "Two."]


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (1, 1), (2, 2), (3, 0)])
def test_the_seed_chooses_the_wording(tmp_path, seed, index):
    hint = load_hint(hint_file(tmp_path, body="A.\n---\nB.\n---\nC.\n"))
    assert hint.wording(seed, "en") == index


def test_wordings_by_language(tmp_path):
    body = "One.\n---\n{# lang: zh #}\n用代码。\n---\nTwo.\n"
    hint = load_hint(hint_file(tmp_path, body=body, languages="[en, zh]"))
    assert [hint.wording(seed, "en") for seed in (0, 1, 2)] == [0, 2, 0]
    assert hint.wording(1, "zh") == 1
    assert hint.wordings[1].render({}) == "用代码。\n"
    assert hint.wording(1, "de") == 2  # no wording in that language: the first language's


def test_what_decides_shows_in_the_repr_and_where_it_lies_does_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, moved = load_hint(hint_file(tmp_path / "a")), load_hint(hint_file(tmp_path / "b"))
    other = load_hint(hint_file(tmp_path / "b", body="Other words.\n"))
    assert repr(one) == repr(moved)
    assert repr(one) != repr(other)


BAD = {
    "unknown trigger": ({"trigger": "{name: foo}"}, "ok\n", 3, "unknown trigger 'foo'; there are approximation, box"),
    "misspelt trigger": ({"trigger": "{name: loops}"}, "ok\n", 3, "unknown trigger 'loops'; did you mean loop? there"),
    "trigger without a name": ({"trigger": "{steps: 3}"}, "ok\n", 3, "trigger: has no name"),
    "bad parameter": ({"trigger": "{name: loop, repeats: many}"}, "ok\n", 3, "trigger.repeats: "),
    "unknown parameter": ({"trigger": "{name: loop, repeat: 2}"}, "ok\n", 3, "did you mean repeats?"),
    "parameter out of range": ({"trigger": "{name: no_code_yet, chars: 0}"}, "ok\n", 3, "greater than or equal to 1"),
    "bad pattern": ({"trigger": "{name: regex, pattern: '('}"}, "ok\n", 3, "not a regular expression"),
    "bad place": ({"place": "there"}, "ok\n", 4, "'here', 'at_span_start' or 'after_output' (got 'there')"),
    "bad uses": ({"max_uses": 0}, "ok\n", 5, "max_uses: "),
    "unknown key": ({"prioritty": 3}, "ok\n", 6, "unknown key prioritty; did you mean priority?"),
    "missing key": ({"trigger": None}, "ok\n", 1, "trigger: is missing"),
    "broken yaml": ({"languages": "[en"}, "ok\n", 6, "broken YAML"),
    "a key twice": ({"max_uses": "2\nname: again"}, "ok\n", 6, "name stands twice"),
    "no body": ({}, "", 6, "the body is missing"),
    "an empty wording": ({}, "ok\n---\n\n---\nok\n", 9, "an empty wording"),
    "jinja syntax": ({}, "ok\n---\nfine\n{{ span\n", 10, "Jinja2: "),
    "jinja variable": ({}, "ok\n---\nfine\n{{ spam }}\n", 10, "unknown variable 'spam'; there are problem, span"),
    "jinja filter": ({}, "ok {{ span | nope }}\n", 7, "No filter named 'nope'"),
    "jinja attribute": ({}, "ok {{ problem.topic }}\n", 7, "cannot be rendered"),
    "nothing left": ({}, "{# only a comment #}\n", 7, "an empty wording"),
    "an output": ({}, "ok\n```output\n3\n```\n", 7, "must not contain an output block"),
    "a whole block": ({}, "ok\n```python\nx\n```\n", 7, "not close it"),
    "another language": ({}, "{# lang: zh #}\n好\n", 7, "a wording in 'zh', but languages are en"),
    "no default wording": ({"languages": "[zh, en]"}, "{# lang: en #}\nok\n", 6, "no wording in 'zh'"),
}


@pytest.mark.parametrize(("header", "body", "line", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_named_by_line(tmp_path, header, body, line, message):
    path = hint_file(tmp_path, body=body, **header)
    with pytest.raises(HintError) as error:
        load_hint(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "expected front matter"),
        (b"just text\n", 1, "expected front matter"),
        (b"---\nname: x\n", 2, "does not end"),
        (b"---\n- a\n- b\n---\nok\n", 2, "expected `key: value` lines"),
        (b"---\nname: x\n---\nok\nb\xe9b\xe9\n", 5, "not UTF-8"),
    ],
)
def test_files_that_are_no_hints(tmp_path, data, line, message):
    path = tmp_path / "x.md"
    path.write_bytes(data)
    with pytest.raises(HintError, match=message) as error:
        load_hint(path)
    assert str(error.value).startswith(f"{path}:{line}: ")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(HintError, match="cannot be read"):
        load_hint(tmp_path / "none.md")


@given(st.text(st.sampled_from("-\n:{}[]#`ab% 'é"), max_size=60))
def test_any_text_is_a_hint_or_a_hint_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.md"
    path.write_text("---\nname: x\ntrigger: loop\n---\n" + text, encoding="utf-8")
    hints, errors = check_paths([path])
    assert len(hints) + len(errors) == 1
    assert all(error.startswith(f"{path}:") and "\n" not in error for error in errors)


def test_two_hints_of_one_name_in_one_folder(tmp_path):
    first = hint_file(tmp_path, "a")
    second = hint_file(tmp_path, "b", header=None)
    second.write_text(second.read_text().replace("name: b", "name: a"))
    with pytest.raises(HintError, match=f"{second}:2: the name 'a' is taken by {first}"):
        load_folder(tmp_path)


def test_checking_goes_on_after_an_error(tmp_path):
    good, bad = hint_file(tmp_path, "good"), hint_file(tmp_path, "bad", place="there")
    hints, errors = check_paths([tmp_path])
    assert [hint.path for hint in hints] == [good]
    assert len(errors) == 1
    assert str(bad) in errors[0]


def test_own_folders_come_first(tmp_path, monkeypatch):
    own, work = tmp_path / "own", tmp_path / "work"
    (work / "hints").mkdir(parents=True)
    own.mkdir()
    hint_file(own, "open", body="Own words.\n")
    hint_file(work / "hints", "open", body="Words of the place.\n")
    hint_file(work / "hints", "here", body="Words of the place.\n")
    monkeypatch.chdir(work)
    library = load_library([own])
    assert library["open"].wordings[0].source == "Own words."
    assert library["here"].wordings[0].source == "Words of the place."
    assert library["result_distrust"].path.parent.samefile(SHIPPED)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(HintError, match="no such folder of hints"):
        load_library([tmp_path / "none"])


LIBRARY = load_folder(SHIPPED)
OPEN_CODE = {"delayed_computation", "brute_force", "symbolic", "case_enumeration", "exact_value"}


def test_the_library():
    placed = {"repeated_error", "unused_output", "budget_low", "box_missing"}
    assert LIBRARY.keys() == OPEN_CODE | placed | {"open", "result_distrust", "code_error", "loop"}
    assert {hint.trigger.name for hint in LIBRARY.values()} <= TRIGGERS.keys()


@pytest.mark.parametrize("hint", LIBRARY.values(), ids=LIBRARY)
def test_shipped_hints_have_an_even_number_of_wordings(hint):
    """Half of the wordings never occur in the nano corpus: those with an odd index."""
    assert len(hint.wordings) % 2 == 0
    assert len(hint.wordings) >= 4
    assert len({w.source for w in hint.wordings}) == len(hint.wordings)
    opens = {w.render(VARIABLES).endswith("```python\n") for w in hint.wordings}
    assert opens == {hint.name in OPEN_CODE}


@pytest.mark.parametrize("hint", LIBRARY.values(), ids=LIBRARY)
def test_wordings_of_another_language_change_nothing_in_the_first_one(hint):
    english = [i for i, wording in enumerate(hint.wordings) if wording.language == "en"]
    assert english == list(range(len(english)))
    assert [hint.wording(seed, "en") for seed in range(99)] == [seed % len(english) for seed in range(99)]
    if "zh" in hint.languages:
        chinese = [hint.wordings[hint.wording(seed, "zh")] for seed in range(4)]
        assert all(wording.language == "zh" for wording in chinese)


def test_no_four_words_in_a_row_stand_in_two_wordings():
    owner = {}
    for hint in LIBRARY.values():
        for wording in hint.wordings:
            words = re.findall(r"[\w']+", wording.source.replace("```python", "").lower())
            for run in {tuple(words[i : i + 4]) for i in range(len(words) - 3)}:
                assert owner.setdefault(run, wording) is wording
