"""Seeds: read as traces, checked by running them; a broken one is named with file and line."""

import asyncio
from pathlib import Path

import pytest
from builders import InProcess

from cort_data.blocks import blocks
from cort_data.errors import SeedError
from cort_data.filters import Resources, build_filters, decide_all, default_filters
from cort_data.grading import Grader
from cort_data.seed_checks import _names, _used, check_paths
from cort_data.seeds import find_seeds, read_seed
from cort_data.trace import Kind, Origin

SEEDS = Path(__file__).parent.parent / "seeds"

TEXT = """\
---
id: fence-posts
problem: |
  A fence of 84 metres has a post every 7 metres and at both ends. How many posts?
answer: 013
topic: counting
source: own
---
There is one post more than there are gaps.
<hint name="delayed_computation">A program can do this.
```python
</hint>
posts = 84 // 7 + 1
print(posts)
```
```output
13
```
So that is it.
</think>
There are \\boxed{13} posts.
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="seed.md"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def check():
    with Grader() as grader:
        yield lambda *paths: [str(c) for c in asyncio.run(check_paths(paths, InProcess(), grader))]


def test_a_seed_is_a_trace(write):
    seed = read_seed(write(TEXT))
    assert seed.trace.problem.answer == "013"
    assert [(s.kind, s.origin) for s in seed.trace.segments] == [
        (Kind.TEXT, Origin.HUMAN),
        (Kind.TEXT, Origin.HINT),
        (Kind.CODE, Origin.HINT),
        (Kind.CODE, Origin.HUMAN),
        (Kind.OUTPUT, Origin.INTERPRETER),
        (Kind.TEXT, Origin.HUMAN),
    ]
    assert seed.trace.segments[1].hint.name == "delayed_computation"
    assert "```python\nposts" in seed.trace.text
    assert "hint" not in seed.trace.text


def test_a_good_seed_has_no_complaints(write, check):
    assert check(write(TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("\n13\n```", "\n12\n```", 17, "block 1 prints '13' and not '12'"),
        ("boxed{13}", "boxed{14}", 21, "the answer 14 is not 013"),
        ("\\boxed{13}", "13", 21, "no \\boxed{} answer"),
        ("```\n```output\n13\n```\n", "```\n", 11, "block 1 has no output"),
        ("```\n```output\n13\n```\n", "", 11, "block 1 is not closed"),
        ("posts = 84 // 7 + 1\nprint(posts)\n", "", 11, "block 1 is empty"),
        ("</think>\n", "", 9, "expected one line </think>"),
        ("</hint>\n", "", 10, "has no partner"),
        ("\n```output", "\n  ```output", 16, "a fence must start in column 0"),
        ("topic: counting\n", "", 2, "topic: Field required"),
        ("id: fence-posts", "id: [fence", 3, "broken YAML"),
        ("---\n", "", 1, "expected front matter"),
        ("So that", "```output\n5\n```\nSo that", 19, "an output block does not follow a python block"),
        ("So that is it.", "```python\nprint(5)\n```\n```output\n5\n```", 19, "nothing after block 2 uses what"),
    ],
)
def test_a_broken_seed_is_named_with_file_and_line(write, check, old, new, line, message):
    assert old in TEXT
    path = write(TEXT.replace(old, new))
    complaints = check(path)
    assert complaints
    assert complaints[0].startswith(f"{path}:{line}: ")
    assert message in complaints[0]


def test_seeds_by_a_template_are_named(write, check):
    text = TEXT.replace(
        "There is one post", "Counting fence posts is a matter of counting gaps with care: there is one post"
    )
    paths = [write(text.replace("fence-posts", f"seed-{i}"), f"{i}.md") for i in range(3)]
    [complaint] = check(*paths)
    assert "3 seeds share the words" in complaint
    assert check(*paths[:2]) == []


def test_two_seeds_of_one_id_are_named(write, check):
    [complaint] = check(write(TEXT), write(TEXT, "other.md"))
    assert "the id fence-posts is also that of" in complaint


def test_folders_are_not_entered_deeper(tmp_path):
    (tmp_path / "nano").mkdir()
    (tmp_path / "nano" / "a.md").write_text(TEXT)
    with pytest.raises(SeedError, match="no seed"):
        find_seeds([tmp_path])


def test_the_shipped_seeds_hold(check):
    paths = find_seeds([SEEDS, SEEDS / "nano"])
    assert len(paths) >= 6
    assert check(*paths) == []


def test_the_shipped_seeds_pass_every_filter():
    """They show the behaviour that the filters ask of a model."""

    async def drops():
        with Grader() as grader:
            filters = build_filters(default_filters(), Resources(InProcess(), grader))
            seeds = [read_seed(path) for path in find_seeds([SEEDS, SEEDS / "nano"])]
            decided = [(seed.head.id, await decide_all(seed.trace, filters)) for seed in seeds]
        return [(id, d.reason) for id, decisions in decided for d in decisions if not d.keep]

    assert asyncio.run(drops()) == []


@pytest.mark.parametrize("folder", [SEEDS, SEEDS / "nano"])
def test_the_shipped_seeds_show_what_they_are_to_teach(folder):
    seeds = [read_seed(path) for path in find_seeds([folder])]
    code = [list(blocks(seed.trace)) for seed in seeds]
    assert len(seeds) == 30
    assert sum(not found for found in code) >= 2, "problems where text suffices"
    assert sum(any(b.failed for b in found) for found in code) >= 5, "errors that are read and repaired"
    assert (
        sum(
            any(_names(b.code) & _used([b2.code for b2 in found[i + 1 :]]) for i, b in enumerate(found))
            for found in code
        )
        >= 15
    ), "blocks that depend on earlier ones"
    hints = {s.hint.name for seed in seeds for s in seed.trace.segments if s.hint}
    assert hints >= {"delayed_computation", "result_distrust", "code_error"}


def test_the_seeds_cover_their_topics():
    topics = {read_seed(path).head.topic.split()[0].strip(",") for path in find_seeds([SEEDS])}
    assert topics >= {"algebra", "number", "combinatorics", "geometry", "probability"}
