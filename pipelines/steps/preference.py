"""Pairs of a right and a wrong response to the same prompt."""

import polars as pl

from filters.preference import draw_pairs, keep_paired
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.rollouts import scores
from pipelines.steps.round_trip import trained_on
from pipelines.steps.tables import write
from pipelines.workspace import write_table
from schemas.tags import TAG_SCHEMAS, render_trace


def pair_responses(build: Build, stage: Stage, road: Road) -> Outcome:
    """Pair the responses of the prompts that are still alive on the configured sides."""
    config, seed = build.recipe.preference, build.recipe.seed
    assert config is not None
    sides = road.table("split").filter(pl.col("split").is_in(config.splits))
    prompts = sides.join(road.table(road.last("samples", stage)), on="id", how="semi").select("id").sort("id").collect()
    told = _rollouts(road) if config.responses == "rollouts" else _traces(road)
    responses = told.join(prompts.lazy(), left_on="sample_id", right_on="id", how="semi")
    columns = ("id", "sample_id", "model", "correct", "finish_reason")
    hashed = responses.select(*columns, text_hash=pl.col("text").hash()).collect()
    parted, pairs = keep_paired(prompts, hashed, draw_pairs(hashed, config, seed), config, seed)
    texts = responses.select("id", "text")
    named = pairs.lazy()
    for side in ("chosen", "rejected"):
        named = named.join(texts.rename({"id": side, "text": f"{side}_text"}), on=side, maintain_order="left")
    found = named.collect()
    if config.responses == "traces":
        found = _render(found, build.recipe.verify.tags)
    write_table(found, build.folder(stage) / "pairs.parquet")
    return write(build, stage, prompts.height, parted.kept, parted.dropped)


def _rollouts(road: Road) -> pl.LazyFrame:
    texts = road.table("rollouts").select("id", "text")
    return scores(road).join(texts, on="id")


def _traces(road: Road) -> pl.LazyFrame:
    """Verified traces as they are trained on; wrong ones as reasoning and answer, to be rendered once they are chosen."""
    assert road.build.recipe.distill is not None
    right = trained_on(road).select("id", "sample_id", "text", correct=pl.lit(True), finish_reason=pl.lit("stop"))
    wrong = road.table("verify", "dropped").filter(pl.col("reason") == "verify:wrong").select("id")
    answered = road.table("distill").filter(pl.col("final").is_not_null()).join(wrong, on="id", how="semi")
    text = pl.struct("reasoning", "final").struct.json_encode()
    said = answered.select("id", "sample_id", text=text, correct=pl.lit(False), finish_reason=pl.lit("stop"))
    return pl.concat([right, said]).with_columns(model=pl.lit(road.build.recipe.distill.model))


def _render(pairs: pl.DataFrame, tags: str) -> pl.DataFrame:
    """Put the rejected traces into the tag schema of the chosen ones, with their own wrong answers."""
    schema = TAG_SCHEMAS[tags]
    parts = pairs["rejected_text"].str.json_decode(pl.Struct({"reasoning": pl.String, "final": pl.String}))
    texts = [render_trace(schema, p["reasoning"] or "", p["final"]) for p in parts]
    return pairs.with_columns(pl.Series("rejected_text", texts, dtype=pl.String))
