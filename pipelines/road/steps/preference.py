"""Pairs of a right and a wrong response to the same prompt."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from filters.preference import draw_pairs, keep_paired
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.rollouts import scores
from pipelines.road.steps.round_trip import trained_on
from pipelines.road.steps.tables import write
from pipelines.store.memory import Memory
from pipelines.store.ordering import in_order
from pipelines.store.row_groups import whole_rows
from pipelines.store.scratch import scratch
from pipelines.store.workspace import write_pieces
from schemas.tags import TAG_SCHEMAS, render_trace


def pair_responses(build: Build, stage: Stage, road: Road) -> Outcome:
    """Pair the responses of the prompts that are still alive on the configured sides."""
    config, seed = build.recipe.preference, build.recipe.seed
    assert config is not None
    sides = road.table("split").filter(pl.col("split").is_in(config.splits))
    prompts = sides.join(road.table(road.last("samples", stage)), on="id", how="semi").select("id").sort("id").collect()
    texts, facts = _rollouts(road) if config.responses == "rollouts" else _traces(road)
    mine = texts.select("id", text_hash=pl.col("text").hash()).join(facts, on="id")
    hashed = mine.join(prompts.lazy(), left_on="sample_id", right_on="id", how="semi").collect()
    parted, pairs = keep_paired(prompts, hashed, draw_pairs(hashed, config, seed), config, seed)
    for side in ("chosen", "rejected"):
        by = hashed.select("id", pl.col("model").alias(f"{side}_model"))
        pairs = pairs.join(by, left_on=side, right_on="id", how="left", maintain_order="left")
    tags = build.recipe.verify.tags if config.responses == "traces" else None
    with_texts = _with_texts(pairs, texts, tags, build.folder(stage), build.memory)
    write_pieces(with_texts, pl.Schema({**pairs.schema, **_TEXTS}), build.folder(stage) / "pairs.parquet")
    return write(build, stage, prompts.height, parted.kept, parted.dropped)


_TEXTS = {"chosen_text": pl.String(), "rejected_text": pl.String()}


def _with_texts(
    pairs: pl.DataFrame, texts: pl.LazyFrame, tags: str | None, folder: Path, memory: Memory
) -> Iterator[pl.DataFrame]:
    """The pairs in their order, a piece at a time, with the texts (`id, text`) of both sides."""
    numbered = pairs.with_row_index("pair")
    sides = [numbered.select("pair", side=pl.lit(side), id=side) for side in ("chosen", "rejected")]
    wanted = pl.concat(sides)
    found = (piece.join(wanted, on="id") for piece in texts.collect_batches(maintain_order=True))
    with scratch(folder) as own:
        # Sorted by pair and side, and each pair has both, so the two columns run side by side.
        for piece in whole_rows(in_order(found, ("pair", "side"), own, memory), "pair"):
            chosen, rejected = (piece.filter(side=side)["text"] for side in ("chosen", "rejected"))
            of = numbered.slice(piece["pair"][0], chosen.len()).drop("pair")
            whole = of.with_columns(chosen.alias("chosen_text"), rejected.alias("rejected_text"))
            yield whole if tags is None else _render(whole, tags)


Responses = tuple[pl.LazyFrame, pl.LazyFrame]
"""Responses as `id, text` and as `id, sample_id, model, correct, finish_reason`: texts are never joined to choose."""


def _rollouts(road: Road) -> Responses:
    facts = scores(road).select("id", "sample_id", "model", "correct", "finish_reason")
    return road.table("rollouts").select("id", "text"), facts


def _traces(road: Road) -> Responses:
    """Verified traces as they are trained on; wrong ones as reasoning and answer, to be rendered once they are chosen."""
    assert road.build.recipe.distill is not None
    right = trained_on(road).select("id", "sample_id", "text", correct=pl.lit(True), finish_reason=pl.lit("stop"))
    wrong = road.table("verify", "dropped").filter(pl.col("reason") == "verify:wrong").select("id")
    answered = road.table("distill").filter(pl.col("final").is_not_null()).join(wrong, on="id", how="semi")
    text = pl.struct("reasoning", "final").struct.json_encode()
    said = answered.select("id", "sample_id", text=text, correct=pl.lit(False), finish_reason=pl.lit("stop"))
    every = pl.concat([right, said]).with_columns(model=pl.lit(road.build.recipe.distill.model))
    return every.select("id", "text"), every.drop("text")


def _render(pairs: pl.DataFrame, tags: str) -> pl.DataFrame:
    """Put the rejected traces into the tag schema of the chosen ones, with their own wrong answers."""
    schema = TAG_SCHEMAS[tags]
    parts = pairs["rejected_text"].str.json_decode(pl.Struct({"reasoning": pl.String, "final": pl.String}))
    texts = [render_trace(schema, p["reasoning"] or "", p["final"]) for p in parts]
    return pairs.with_columns(pl.Series("rejected_text", texts, dtype=pl.String))
