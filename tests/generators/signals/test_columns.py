"""Products down the columns, against the formula taken literally."""

import math
from collections.abc import Callable

import pytest
import torch

from generators.signals.columns import HEADS, ColumnSums, Heads, add_attention

Literal = Callable[[list[torch.Tensor], Heads, int | None], list[float]]


def random_attention(lengths: list[int], prompts: list[int], heads: int, seed: int) -> list[list[torch.Tensor]]:
    """For each reply its rows of attention over prompt and reply, causal, each summing to one."""
    chance = torch.Generator().manual_seed(seed)
    replies = []
    for length, prompt in zip(lengths, prompts, strict=True):
        scores = torch.randn(heads, length, prompt + length, generator=chance) * 2
        later = torch.arange(prompt + length)[None, :] > prompt + torch.arange(length)[:, None]
        weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
        replies.append([weights[:, i] for i in range(length)])
    return replies


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("block", [1, 2, 100])
def test_sums_are_the_literal_products(literal: Literal, window: int | None, block: int) -> None:
    lengths, prompts = [7, 1, 4], [3, 12, 5]
    replies = random_attention(lengths, prompts, heads=3, seed=window or 0)
    width, keys = max(lengths), max(n + p for n, p in zip(lengths, prompts, strict=True))
    table = torch.full((3, 3, width, keys), -torch.inf)
    for place, rows in enumerate(replies):
        for i, row in enumerate(rows):
            table[place, :, width - len(rows) + i, keys - row.shape[1] :] = row.log()
    sums = ColumnSums(torch.tensor(lengths), window)
    for first in range(0, width, block):
        sums.add(table[:, :, first : first + block], first)
    for place, row in enumerate(sums.rows()):
        for heads in HEADS:
            wanted = [math.log(v) for v in literal(replies[place], heads, window)]
            assert row[heads] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_hand_worked() -> None:
    # one head, two tokens after a prompt of one: A_11 = 0.5, A_21 = 0.25, A_22 = 0.5
    rows = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]).log()[None, None]
    sums = ColumnSums(torch.tensor([2]))
    sums.add(rows, 0)
    (found,) = sums.rows()
    assert found["each"] == pytest.approx([math.log(0.5 * 0.25), math.log(0.5)])
    # rows of the largest attention sum to one already where there is one head
    assert found["opera"] == pytest.approx(found["max"])


def test_long_replies_do_not_underflow() -> None:
    length = 400
    query = torch.zeros(1, 2, length, 4, dtype=torch.bfloat16)
    causal = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    sums = ColumnSums(torch.tensor([length]))
    add_attention(sums, query, query, causal, scale=1.0)
    # uniform attention: A_ij = 1 / i, so the first column is -log(400!), far below what a 32-bit product could hold
    assert sums.rows()[0]["each"][0] == pytest.approx(-math.lgamma(length + 1), rel=1e-5)
