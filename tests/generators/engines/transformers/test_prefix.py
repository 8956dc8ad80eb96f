from hypothesis import given
from hypothesis import strategies as st

from generators.engines.transformers.prefix import agreement, shared_starts

few_tokens = st.lists(st.integers(0, 2), max_size=6).map(tuple)


@given(few_tokens, few_tokens)
def test_agreement_counts_the_first_tokens_that_are_the_same(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    length = agreement(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


@given(st.lists(few_tokens, max_size=12))
def test_shared_starts_are_those_at_which_prompts_part(prompts: list[tuple[int, ...]]) -> None:
    found = shared_starts(prompts)
    pairs = {
        one[: agreement(one, other)]
        for at, one in enumerate(prompts)
        for other in prompts[:at]
        if agreement(one, other)
    }
    assert {start for start, _ in found} == pairs
    assert all(count == sum(p[: len(start)] == start for p in prompts) for start, count in found)
    assert [len(start) for start, _ in found] == sorted(len(start) for start, _ in found)
