"""Traces after the mending of leaks."""

from typing import cast

import polars as pl
import pytest

from pipelines.road.stage import Road
from pipelines.road.steps.traces import verified
from schemas.tags import TAG_SCHEMAS, render_trace


class Tables(dict[tuple[str, str], pl.DataFrame]):
    """A road of two stages."""

    def table(self, stage: str, name: str = "kept") -> pl.LazyFrame:
        return self[stage, name].lazy()

    def __contains__(self, stage: object) -> bool:
        return any(stage == name for name, _ in self)


@pytest.mark.parametrize("tags", ["think_answer", "thought_solution", "plain"])
def test_only_the_reasoning_changes(tags: str) -> None:
    schema, before, after = TAG_SCHEMAS[tags], "The caption says red.", "The image shows red."
    row = {"id": "a", "sample_id": "s", "reasoning": f" {before} ", "text": render_trace(schema, before, "red")}
    tables = Tables(
        {
            ("verify", "kept"): pl.DataFrame([row]),
            ("rewrite", "kept"): pl.DataFrame([{"id": "a", "reasoning": after}]),
            ("rewrite", "dropped"): pl.DataFrame(schema={"id": pl.String}),
        }
    )
    found = verified(cast("Road", tables)).collect().row(0, named=True)
    assert (found["reasoning"], found["text"]) == (after, render_trace(schema, after, "red"))
