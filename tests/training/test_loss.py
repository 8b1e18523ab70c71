"""No gradient where the mask says so, and the same loss however a row is put together."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from cort_data.training.dataset import split, write_rows
from cort_data.training.head import trained_loss
from cort_data.training.lineage import Lineage
from cort_data.training.rows import IGNORED, RowMaker, RowSettings
from cort_data.training.session import Training
from cort_data.training.settings import SftSettings

from .hand import many

LINEAGE = Lineage("id", "run", "sft", {}, {}, {}, "", {}, 0, {})
BASE = {"max_tokens": 256, "dtype": "float32", "batch": 8}


@pytest.fixture
def rows(student, tmp_path):
    return write_rows(many(), RowMaker(student, RowSettings(max_tokens=256)), tmp_path / "rows")


def trainer_of(student, student_dir, made, folder, **options):
    settings = SftSettings(**BASE | options)
    training = Training(settings, 0, student, student_dir, made, LINEAGE, folder)
    parts = split(made.load(), settings)
    return training.trainer(parts, training.passes(parts))[0]


def batches(trainer):
    return list(trainer.get_train_dataloader())


def test_gradients_of_logits_are_exactly_zero_at_masked_positions():
    torch.manual_seed(0)
    labels = torch.full((2, 9), IGNORED)
    labels[0, 3:5] = torch.tensor([1, 6])
    labels[1, 8] = 2
    logits = torch.randn(2, 9, 7, requires_grad=True)
    loss = trained_loss(logits, labels, torch.nn.Identity())
    loss.backward()
    trained = torch.zeros(2, 9, dtype=torch.bool)
    trained[0, 2:4] = trained[1, 7] = True  # a position predicts the token after it
    assert logits.grad is not None
    assert logits.grad[~trained].eq(0).all()
    assert logits.grad[trained].ne(0).all()
    expected = cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("own", [True, False], ids=["our head", "the head of TRL"])
@pytest.mark.parametrize("packing", [True, False], ids=["packed", "padded"])
def test_no_gradient_reaches_a_masked_position_in_a_real_pass(student, student_dir, rows, tmp_path, own, packing):
    trainer = trainer_of(student, student_dir, rows, tmp_path, packing=packing, rows=1 if packing else 4)
    trainer._own_loss = own
    batch = batches(trainer)[0]
    seen = []

    def watch(module, args, output):
        output.last_hidden_state.retain_grad()
        seen.append(output.last_hidden_state)

    hook = trainer.model.model.register_forward_hook(watch)
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    hook.remove()
    grad = seen[0].grad
    trained = torch.zeros_like(batch["labels"], dtype=torch.bool)
    trained[:, :-1] = batch["labels"][:, 1:] != IGNORED
    assert grad[~trained].eq(0).all()
    assert grad[trained].ne(0).any(-1).all()


def test_packing_leaves_the_trained_tokens_and_the_loss_unchanged(student, student_dir, rows, tmp_path):
    sums, counts, texts = {}, {}, {}
    for packing in (True, False):
        trainer = trainer_of(
            student, student_dir, rows, tmp_path / str(packing), packing=packing, rows=1 if packing else 3
        )
        trainer.model.eval()
        total, tokens = 0.0, []
        for batch in batches(trainer):
            kept = batch["labels"] != IGNORED
            tokens += batch["input_ids"][kept].tolist()
            total += trainer.model(**batch, loss_sum=True)["loss"].item()
        sums[packing], counts[packing], texts[packing] = total, len(tokens), sorted(tokens)
    assert counts[True] == counts[False] == rows.counts["trained"]
    assert texts[True] == texts[False]
    assert sums[True] == pytest.approx(sums[False], rel=1e-5)


def test_our_loss_is_that_of_trl(student, student_dir, rows, tmp_path):
    trainer = trainer_of(student, student_dir, rows, tmp_path)
    losses = []
    for own in (True, False):
        trainer._own_loss = own
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, dict(batches(trainer)[0]))
        loss.backward()
        losses.append((loss.item(), trainer.model.model.embed_tokens.weight.grad.clone()))
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    torch.testing.assert_close(losses[0][1], losses[1][1], rtol=1e-4, atol=1e-6)
