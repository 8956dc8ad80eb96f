"""Replies that are right and well-formed too: what RAP's public code counts as a reward of 1."""

import polars as pl

from pipelines.road.stage import Road
from pipelines.road.steps.rollouts import scores
from schemas.tags import TAG_SCHEMAS, parse_tags


def formed_rollouts(road: Road, model: str) -> pl.LazyFrame:
    """`id, k_formed` of every sample that `model` answered."""
    config = road.build.recipe.rollouts
    assert config is not None
    texts = road.table("rollouts").filter(pl.col("model") == model).select("id", "text")
    said = texts.join(scores(road).filter(pl.col("model") == model), on="id", how="left", maintain_order="left")
    return _count(said.with_columns(tags=pl.lit(config.tags)), "k_formed")


def formed_blind(road: Road, check: str) -> pl.LazyFrame:
    """`id, k_text_formed` of every sample that the check of that name asked about."""
    tags = road.table("variants").select("tags", variant_id="id")
    said = road.table("check_scores").filter(pl.col("check") == check).join(tags, on="variant_id")
    return _count(said, "k_text_formed")


def _count(said: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Right and well-formed replies by sample; only the right ones are parsed."""
    right = pl.col("correct").fill_null(False) & (pl.col("finish_reason") == "stop")
    text = pl.when(right).then(pl.struct("text", "tags"))
    formed = text.map_elements(_well_formed, return_dtype=pl.Boolean, skip_nulls=True).fill_null(False)
    return said.group_by(id="sample_id").agg(formed.sum().cast(pl.Int32).alias(name))


def _well_formed(reply: dict[str, str]) -> bool:
    return parse_tags(reply["text"] or "", TAG_SCHEMAS[reply["tags"]]).violation is None
