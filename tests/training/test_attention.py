"""Documents of a packed row do not see each other, and each is attended to as if it were alone."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from cort_data.training import attention


def random_row(tokens, dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.randn(1, heads, tokens, 8, dtype=dtype, requires_grad=True) for heads in (4, 2, 2)]


def alone(query, key, value, start, end):
    parts = (x[:, :, start:end] for x in (query, key, value))
    return scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True).transpose(1, 2)


def test_each_document_is_attended_to_as_if_alone(monkeypatch):
    for dense in (attention.DENSE, 0):  # products written out, and torch's kernel
        monkeypatch.setattr(attention, "DENSE", dense)
        row = random_row(20)
        out, _ = attention.attend(torch.nn.Identity(), *row, None, cu_seq_lens_q=torch.tensor([0, 7, 8, 20]))
        expected = torch.cat([alone(*row, 0, 7), alone(*row, 7, 8), alone(*row, 8, 20)], dim=1)
        torch.testing.assert_close(out, expected)
        grads = [torch.autograd.grad(o.square().sum(), row, retain_graph=True) for o in (out, expected)]
        for ours, theirs in zip(*grads, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_padding_at_the_end_is_documents_of_one_token():
    row = random_row(10)
    out, _ = attention.attend(torch.nn.Identity(), *row, None, cu_seq_lens_q=torch.tensor([0, 6, 7, 8, 9, 10]))
    expected = torch.cat([alone(*row, *at) for at in ((0, 6), (6, 7), (7, 8), (8, 9), (9, 10))], dim=1)
    torch.testing.assert_close(out, expected)


def test_a_row_without_borders_is_one_document():
    row = random_row(5)
    out, _ = attention.attend(torch.nn.Identity(), *row, None)
    torch.testing.assert_close(out, alone(*row, 0, 5))
