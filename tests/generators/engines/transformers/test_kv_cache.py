import torch

from generators.engines.transformers.kv_cache import BatchCache, shared_attention


class Heads:
    num_key_value_groups = 3
    is_causal = True


def full(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Attention written out, over repeated heads."""
    key, value = (t.repeat_interleave(Heads.num_key_value_groups, dim=1) for t in (key, value))
    scores = (query @ key.transpose(2, 3)) * query.shape[-1] ** -0.5
    return (scores.masked_fill(~mask, float("-inf")).softmax(-1) @ value).transpose(1, 2)


def test_shared_attention_is_attention_over_the_whole() -> None:
    torch.manual_seed(0)
    rows, kv_heads, prefix, own, dim = 5, 2, 11, 7, 16
    shared = (torch.randn(1, kv_heads, prefix, dim), torch.randn(1, kv_heads, prefix, dim))
    keys, values = torch.randn(rows, kv_heads, own, dim), torch.randn(rows, kv_heads, own, dim)
    for queries in (1, 3):
        cache = BatchCache([shared])
        cache.update(keys[:, :, :-queries], values[:, :, :-queries], 0)
        assert cache.get_mask_sizes(queries, 0) == (prefix + own, 0)
        seen_keys, seen_values = cache.update(keys[:, :, -queries:], values[:, :, -queries:], 0)
        query = torch.randn(rows, kv_heads * 3, queries, dim)
        mask = torch.ones(rows, 1, queries, prefix + own, dtype=torch.bool).tril(prefix + own - queries)
        mask[1, :, :, prefix : prefix + 3] = False
        mask[2, :, :, :prefix] = False
        whole = [torch.cat([s.expand(rows, -1, -1, -1), t], dim=2) for s, t in zip(shared, (keys, values), strict=True)]
        got, _ = shared_attention(Heads(), query, seen_keys, seen_values, mask)
        torch.testing.assert_close(got, full(query, *whole, mask))


def test_without_a_prefix_decoding_folds_the_groups() -> None:
    torch.manual_seed(1)
    keys, values, query = torch.randn(4, 2, 6, 8), torch.randn(4, 2, 6, 8), torch.randn(4, 6, 1, 8)
    mask = torch.ones(4, 1, 1, 6, dtype=torch.bool)
    mask[0, ..., :2] = False
    got, _ = shared_attention(Heads(), query, keys, values, mask)
    torch.testing.assert_close(got, full(query, keys, values, mask))


def test_sequences_leave_join_and_multiply() -> None:
    def filled(rows: int, columns: int, start: float) -> tuple[BatchCache, torch.Tensor]:
        states = torch.arange(rows * columns, dtype=torch.float32).view(rows, 1, columns, 1) + start
        cache = BatchCache()
        cache.update(states, -states, 0)
        return cache, states

    cache, first = filled(3, 100, 0)
    cache.take(torch.tensor([2, 0, 0, 1]))
    cache.close_up(torch.tensor([0, 3, 2]), left=40)
    cache.close_up(torch.tensor([0, 2]), left=0)
    cache.take(torch.tensor([0, 1, 1]))
    assert cache.own_length == 60
    other, second = filled(1, 70, 1000)
    cache.join(other)
    keys, values = cache.update(torch.full((4, 1, 1, 1), 7.0), torch.full((4, 1, 1, 1), 7.0), 0)
    assert keys.shape == (4, 1, 71, 1)
    for row, source in enumerate((2, 0, 0)):
        torch.testing.assert_close(keys[row, 0, 10:70], first[source, 0, 40:])
        assert not keys[row, 0, :10].any()
    torch.testing.assert_close(keys[3, 0, :70], second[0, 0])
    torch.testing.assert_close(values[:, :, :70], -keys[:, :, :70])
    assert cache.get_seq_length() == 71


def test_many_small_steps_equal_one_large_one() -> None:
    states = torch.randn(2, 2, 300, 4)
    small, large = BatchCache(), BatchCache()
    for at in range(300):
        small.update(states[:, :, at : at + 1], states[:, :, at : at + 1], 0)
    keys, _ = large.update(states, states, 0)
    torch.testing.assert_close(small.layers[0][0].filled, keys)
