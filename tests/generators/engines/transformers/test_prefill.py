from hypothesis import given
from hypothesis import strategies as st

from generators.engines.transformers.prefill import PASS_TOKENS, columns, groups


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 90)), max_size=20), st.integers(50, 400))
def test_groups_hold_each_prompt_once_and_are_of_one_shape_and_like_length(
    prompts: list[tuple[str, int]], most: int
) -> None:
    made = groups(prompts, most)
    assert sorted(at for group in made for at in group) == list(range(len(prompts)))
    for group in made:
        lengths = [prompts[at][1] for at in group]
        assert len({prompts[at][0] for at in group}) == 1
        assert len(group) == 1 or len(group) * max(lengths) <= most
        assert len(group) * max(lengths) - sum(lengths) <= PASS_TOKENS


def test_prompts_of_one_length_are_one_group() -> None:
    assert groups([("a", 30)] * 10, 300) == [list(range(10))]
    assert [len(group) for group in groups([("a", 30)] * 11 + [("b", 30)], 300)] == [10, 1, 1]


def test_columns_show_what_a_prompt_has_of_each_part() -> None:
    assert columns(4, 4, 0, 4, 3, 2) == [1, 1, 1, 1, 0, 1, 1]
    assert columns(4, 3, 2, 4, 2, 2) == [1, 1, 1, 0, 0, 1, 1, 1]
    assert columns(0, 0, 3, 0, 2, 1) == [0, 0, 0, 0, 1]
