"""MMR1's judge and its value of a question, by hand: 0 means right, and p(1 - p) is largest where half is right."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from filters.select.rules.mmr1_vas import judge
from pipelines.job import compile_recipe
from schemas.step import Tables


@pytest.mark.parametrize(
    ("step", "column", "rows", "dropped"),
    [
        ("drop", "judge", [("a", "0"), ("b", "1"), ("c", None)], [("b", "drop:wrong")]),
        ("easy", "ease", [("4 of 5", 0.8), ("3 of 5", 0.6), ("0 of 5", 0.0)], [("4 of 5", "easy:by_large_model")]),
    ],
)
def test_what_goes(step: str, column: str, rows: list[Any], dropped: list[Any]) -> None:
    compiled = compile_recipe("mmr1").pipeline.step(step)
    table = pl.DataFrame(rows, schema=["id", column], orient="row")
    context: Any = SimpleNamespace(name=step)
    out = compiled.type.body(Tables(table, {}, pl.DataFrame()), compiled.config, context)
    assert out.drops.select("id", "reason").rows() == dropped


def test_a_question_is_worth_what_its_rollouts_vary_from_the_least_to_the_most() -> None:
    """p(1 - p) of 8 is 0, 7/64, 16/64, 0; their code then stretches it from 0 to 1."""
    config: Any = compile_recipe("mmr1").pipeline.step("select").config
    rows = pl.DataFrame({"id": ["never", "once", "half", "always"], "k": [0, 1, 4, 8], "n": [8] * 4})
    assert judge(rows, config.rule, 0)["value"].to_list() == [0.0, 0.4375, 1.0, 0.0]
