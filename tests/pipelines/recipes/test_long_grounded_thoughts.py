"""Long Grounded Thoughts (arXiv 2511.05705; `data_gen/` of its predecessor): options are shuffled, and golds too."""

import polars as pl
import pytest
from own_steps import run, table

from pipelines.job import compile_recipe

OPTIONS = ["a red kite", "a blue kite", "a ball", "a dog"]


def test_where_the_right_option_stands_does_not_follow_from_where_it_was_written() -> None:
    """The author names A as right every time; it comes to stand at all four places."""
    drafts = table(
        *(
            {"id": f"d{n}", "draft": f"What is at place {n}?", **dict(zip("abcd", OPTIONS, strict=True)), "letter": "A"}
            for n in range(40)
        ),
        **dict.fromkeys(("draft", "a", "b", "c", "d", "letter"), pl.String),
    )
    for step, choices, right in (
        ("listed", "choices", "right_choice"),
        ("composed_listed", "composed_choices", "right_composed"),
    ):
        found = run("long_grounded_thoughts", step, drafts).rows
        assert set(found[right]) == {OPTIONS[0]}
        assert all(sorted(shown) == sorted(OPTIONS) for shown in found[choices].to_list())
        places = [shown.index(OPTIONS[0]) for shown in found[choices].to_list()]
        assert set(places) == {0, 1, 2, 3}
        assert max(map(places.count, range(4))) < 20


@pytest.mark.parametrize("name", ["long_grounded_thoughts", "m3cot"])
def test_too_few_answers_for_a_difficulty_take_no_row_from_sft(name: str) -> None:
    """Their SFT rows are published thoughts and rationales, of whatever difficulty; k of n is for the RL rows."""
    assert compile_recipe(name).pipeline.step("difficulty").config.unmeasured == "keep"
