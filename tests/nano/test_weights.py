"""The shipped models: they load as any Hugging Face folder does, are small, and write in their form."""

import json

import pytest

torch = pytest.importorskip("torch")

from cort_data.data import data_dir  # noqa: E402
from cort_data.nano import phrases  # noqa: E402
from cort_data.nano.families import problems  # noqa: E402
from cort_data.nano.measure import WEIGHTS  # noqa: E402
from cort_data.nano.tokenizer import prompt_text  # noqa: E402

NAMES = ("teacher", "student", "null")


@pytest.fixture(scope="module", params=("teacher", "student"))
def loaded(request):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = WEIGHTS / request.param
    return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)


def test_all_weights_fit_in_20_mb():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) <= 20e6


def test_auto_tokenizer_splits_as_the_corpus_was_split(loaded):
    tokens = loaded[0].convert_ids_to_tokens(loaded[0].encode("is 347 * 86?\n```", add_special_tokens=False))
    assert tokens == ["is", "Ġ3", "4", "7", "Ġ*", "Ġ8", "6", "?", "Ċ", "```"]


def test_writes_code_after_an_unseen_hint(loaded):
    tokenizer, model = loaded
    hint = phrases.read_wordings(data_dir("hints") / "delayed_computation.md")[1]
    opened = 0
    for problem in [p for p in problems("dev", 60, 2) if "-product-" in p.id][:3]:
        a, b = [n for n in problem.text.replace("?", " ").replace(".", " ").split() if n.isdigit()]
        ids = tokenizer.encode(prompt_text(problem.text), add_special_tokens=False)
        ids += tokenizer.encode(f"I need {a}*{b}.\n", add_special_tokens=False)
        ids += tokenizer.encode(hint, add_special_tokens=False)
        out = model.generate(torch.tensor([ids]), max_new_tokens=60, do_sample=False)
        code = tokenizer.decode(out[0, len(ids) :]).split("```")[0]
        opened += a in code and b in code
    assert opened >= 2


@pytest.mark.parametrize("name", NAMES)
def test_log_and_seen_wordings_lie_beside_the_weights(name):
    log = json.loads((WEIGHTS / name / "training_log.json").read_text())
    assert log["seed"] == log["plan"]["seed"]
    assert log["behaviour"]["mixture"]
    seen = json.loads((WEIGHTS / name / "seen_wordings.json").read_text())
    assert seen == {hint: list(phrases.seen_wordings(hint)) for hint in phrases.HINTS}
