import torch
from hypothesis import given
from hypothesis import strategies as st

from generators.engines.transformers.prefix_tree import PrefixTree, States

TOKEN_BYTES = 2 * 2 * 4
"""Of `states`: two layers of a key and a value of one number."""

prompts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8).map(tuple), max_size=30)


def states(ids: tuple[int, ...], first: int = 0) -> States:
    """States that say which tokens led to them."""
    numbers = [float(hash(ids[: at + 1]) % 10_000) for at in range(first, len(ids))]
    keys = torch.tensor(numbers).view(1, 1, -1, 1)
    return [(keys, -keys), (keys + 0.5, keys - 0.5)]


def put(tree: PrefixTree, ids: tuple[int, ...]) -> None:
    first = tree.known(ids)
    tree.add(ids, first, states(ids, first))


def same(one: States, other: States) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


@given(prompts)
def test_what_was_put_in_comes_out_as_it_was(given_prompts: list[tuple[int, ...]]) -> None:
    tree = PrefixTree(1 << 20)
    for ids in given_prompts:
        put(tree, ids)
    for ids in given_prompts:
        assert tree.known((*ids, 9)) == len(ids)
        assert all(same(tree.states(ids, first), states(ids, first)) for first in range(len(ids)))
    distinct = {ids[: at + 1] for ids in given_prompts for at in range(len(ids))}
    assert tree.size == len(distinct) * TOKEN_BYTES


@given(prompts)
def test_it_keeps_within_its_bytes_and_what_is_left_is_true(given_prompts: list[tuple[int, ...]]) -> None:
    tree = PrefixTree(40 * TOKEN_BYTES)
    for ids in given_prompts:
        put(tree, ids)
        assert tree.size <= 40 * TOKEN_BYTES
        assert tree.known(ids) == len(ids)
    for ids in given_prompts:
        known = ids[: tree.known(ids)]
        assert not known or same(tree.states(known, 0), states(known))


def test_the_leaf_that_was_not_used_for_longest_is_forgotten_first() -> None:
    tree = PrefixTree(24 * TOKEN_BYTES)
    for ids in ((1, 1, 1, 2, 2), (1, 1, 1, 3, 3), (1, 1, 1, 4, 4)):
        put(tree, ids)
    tree.known((1, 1, 1, 2, 2))
    for ids in ((5,) * 6, (6,) * 6, (7,) * 5):
        put(tree, ids)
    assert [tree.known((1, 1, 1, last, last)) for last in (2, 3, 4)] == [5, 3, 5]


def test_states_without_what_comes_before_or_too_large_are_not_kept() -> None:
    tree = PrefixTree(16 * TOKEN_BYTES)
    tree.add((1, 2, 3), 2, states((1, 2, 3), 2))
    put(tree, tuple(range(5)))
    assert (tree.known((1, 2, 3)), tree.known(tuple(range(5))), tree.size) == (0, 0, 0)
