"""How differently replies go about one question, as a column of what they reply to."""

from types import SimpleNamespace

import polars as pl
import pytest

from filters.select.diversity import MEASURES
from filters.select.diversity_step import STEP, DiversityConfig
from schemas.step import Tables

KNOWN = SimpleNamespace(unit=lambda of: "rollout", parent=lambda unit: "sample")
SCHEMA = {
    "id": pl.String(),
    "sample_id": pl.String(),
    "parent_id": pl.String(),
    "model": pl.String(),
    "index": pl.Int32(),
    "text": pl.String(),
}
ALIKE, OTHER = "add the two sums up", "halve what you see there"


def run(*replies: tuple[str, str, int | None, str | None], **config: object) -> dict[str, float | None]:
    made = [(f"r{i}", of, of, model, index, text) for i, (of, model, index, text) in enumerate(replies)]
    beside = pl.DataFrame(made, schema=SCHEMA, orient="row")
    rows = pl.DataFrame({"id": ["a", "b", "c"]})
    section = DiversityConfig.model_validate(config)
    out = STEP.body(Tables(rows, {"replies": beside}, pl.DataFrame()), section, SimpleNamespace(name="diversity"))
    assert out.rows is not None and out.drops.is_empty()
    assert dict(out.rows.schema) == {"id": pl.String(), **STEP.gives(section, KNOWN).columns}
    return dict(out.rows.iter_rows())


@pytest.mark.parametrize("measure", [*MEASURES])
def test_replies_that_differ_are_more_diverse_and_no_reply_is_no_number(measure: str) -> None:
    found = run(("a", "m", 0, ALIKE), ("a", "m", 1, ALIKE), ("b", "m", 0, ALIKE), ("b", "m", 1, OTHER), measure=measure)
    assert found["a"] is not None and found["b"] is not None and found["a"] < found["b"]
    assert found["c"] is None


def test_one_models_replies_are_compared_where_that_is_wished() -> None:
    replies = [("a", "m", 0, ALIKE), ("a", "m", 1, ALIKE), ("a", "other", 0, OTHER)]
    alone, together = run(*replies, model="m")["a"], run(*replies)["a"]
    assert alone is not None and together is not None and alone < together


def test_the_order_of_replies_and_missing_texts_do_not_matter() -> None:
    replies = [("a", "m", 1, ALIKE), ("a", "m", 0, OTHER), ("b", "m", None, None), ("b", "m", None, ALIKE)]
    assert run(*replies)["a"] == run(*reversed(replies))["a"]
    assert run(*replies)["b"] is not None


def test_it_looks_at_all_replies_that_were_made() -> None:
    reads = STEP.reads(DiversityConfig(), KNOWN).beside["replies"]
    assert reads.dropped and reads.of == "rollout" and {*reads.reads} == {"text", "index", "model"}
    assert STEP.over is not None and STEP.over(DiversityConfig(), KNOWN) == "sample"
