"""WeThink: images are described and asked about anew, and what two models or a third agree on is released."""

from types import SimpleNamespace
from typing import Any

import polars as pl

from pipelines.job import compile_recipe
from schemas.step import Tables


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("wethink")
    assert recipe.pipeline.step("qa").config.parents == "retire"
    assert set(recipe.pipeline.step("agree").config.between) == {"by_reading", "by_looking"}
    assert recipe.pipeline.step("refined").gold_visible
    assert recipe.pipeline.unread == ()


def test_bad_questions_go_before_anybody_answers_them() -> None:
    step = compile_recipe("wethink").pipeline.step("bad")
    drafts = [
        ("Which bar is higher?", "left"),
        ("Which?", "RIGHT "),
        (" ", "left"),
        ("What does the caption say?", "left"),
    ]
    rows = pl.DataFrame(
        [{"id": str(n), "draft": q, "a": a, "b": "right", "c": "none", "d": "both"} for n, (q, a) in enumerate(drafts)]
    )
    context: Any = SimpleNamespace(name="bad")
    out = step.type.body(Tables(rows, {}, pl.DataFrame()), step.config, context)
    assert out.drops.select("id", "reason").rows() == [
        ("1", "bad:same_options"),
        ("2", "bad:no_question"),
        ("3", "bad:of_the_description"),
    ]
