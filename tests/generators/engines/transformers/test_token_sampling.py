from collections import Counter
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.engines.transformers.token_sampling import SamplingRows, choose
from schemas.completion import Sampling


def draw(logits: torch.Tensor, sampling: Sampling, n: int, seed: int = 0) -> list[int]:
    chance = Random(seed)
    rows = SamplingRows([sampling] * n, "cpu")
    return choose(logits.expand(n, -1), rows, [chance.random() for _ in range(n)], None)[0]


def test_draws_follow_the_distribution() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    counts = Counter(draw(shares.log(), Sampling(), 20_000))
    for token, share in enumerate(shares.tolist()):
        assert counts[token] / 20_000 == pytest.approx(share, abs=0.015)
    sharper = Counter(draw(shares.log(), Sampling(temperature=0.5), 20_000))
    squares = shares**2 / (shares**2).sum()
    assert sharper[0] / 20_000 == pytest.approx(squares[0].item(), abs=0.015)


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(top_k=1), {0}),
        (Sampling(top_k=2), {0, 1}),
        (Sampling(top_p=0.5), {0}),
        (Sampling(top_p=0.51), {0, 1}),
        (Sampling(top_p=0.9), {0, 1, 2}),
        (Sampling(min_p=0.4), {0, 1}),
        (Sampling(top_k=3, top_p=0.85), {0, 1, 2}),
        (Sampling(top_k=3, top_p=0.84), {0, 1}),
        (Sampling(), {0, 1, 2, 3}),
    ],
)
def test_truncation_leaves_exactly_the_allowed_tokens(sampling: Sampling, allowed: set[int]) -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert set(draw(logits, sampling, 4000)) == allowed


def test_a_flat_distribution_is_sorted_as_a_whole() -> None:
    logits = torch.zeros(5000)
    assert len(set(draw(logits, Sampling(top_p=0.9), 400))) > 300
    assert len(set(draw(logits, Sampling(top_k=2000), 400))) > 300


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=6), st.integers(0, 5))
def test_a_row_does_not_depend_on_its_neighbours(chances: list[float], place: int) -> None:
    torch.manual_seed(0)
    logits = torch.randn(len(chances), 50)
    kinds = [Sampling(), Sampling(temperature=0), Sampling(top_k=3), Sampling(top_p=0.7), Sampling(min_p=0.2)]
    rows = [kinds[i % len(kinds)] for i in range(len(chances))]
    place %= len(chances)
    together, _ = choose(logits, SamplingRows(rows, "cpu"), chances, None)
    alone, _ = choose(logits[place : place + 1], SamplingRows(rows[place : place + 1], "cpu"), [chances[place]], None)
    assert together[place] == alone[0]


def test_a_penalty_lowers_what_was_seen_whatever_its_sign() -> None:
    logits = torch.tensor([[2.0, 1.5, -1.0], [-1.0, -1.5, -3.0]])
    seen = torch.tensor([[True, False, False], [True, False, False]])
    tokens, _ = choose(
        logits, SamplingRows([Sampling(temperature=0, repetition_penalty=2.0)] * 2, "cpu"), [0.0, 0.0], seen
    )
    assert tokens == [1, 1]


def test_logprobs_are_of_the_bare_model() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    rows = SamplingRows([Sampling(temperature=0.3, top_k=1, logprobs=True)], "cpu")
    tokens, logprobs = choose(logits, rows, [0.99], None)
    assert tokens == [2]
    assert logprobs == pytest.approx([logits.log_softmax(-1)[0, 2].item()])
