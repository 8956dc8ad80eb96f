"""Preference pairs: a right and a wrong response to the same prompt, for DPO and its relatives.

Pairs are drawn, not ranked: which right response meets which wrong one is chance, by id, and no response is in two pairs.
Truncated responses are on neither side, since a cut is no answer (see LongPerceptualThoughts, `data_gen/`, stage 3, which
pairs right with wrong chains of the same question). Both sides of a pair come from one model, unless the recipe says
otherwise: a right response of a strong model beside a wrong one of a weak model teaches who speaks, not what is right.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.ids import chance
from schemas.section import Section
from schemas.split import Split, split


class PreferenceConfig(Section):
    """Which responses are paired, and how many pairs there may be."""

    responses: Literal["rollouts", "traces"] = Field(
        default="rollouts", description="the student's rollouts, or the reasoner's traces"
    )
    per_prompt: int = Field(default=1, ge=1, description="pairs of one prompt at most")
    max_pairs: int | None = Field(default=None, ge=1, description="pairs in all at most, drawn by chance")
    across_models: bool = Field(
        default=False, description="several students: pair a right response of one with a wrong one of another too"
    )
    splits: tuple[Literal["sft", "rl"], ...] = Field(
        default=("rl",), min_length=1, description="the sides whose prompts are paired"
    )


def draw_pairs(responses: pl.DataFrame, config: PreferenceConfig, seed: int) -> pl.DataFrame:
    """`id, chosen, rejected, index`: ids of responses, up to `per_prompt` pairs of a prompt.

    `responses` is `id, sample_id, model, correct, finish_reason, text_hash`. Equal texts of a model count once; a text
    that was called right once and wrong another time is on neither side. Of several models each gets its turn, and which
    comes first is chance. Stable: other prompts do not change a prompt's pairs.
    """
    told = responses.filter(pl.col("correct").is_not_null() & (pl.col("finish_reason") == "stop"))
    told = told.with_columns(sides=pl.col("correct").n_unique().over("sample_id", "text_hash"))
    apart = ("sample_id",) if config.across_models else ("sample_id", "model")
    clear = told.filter(pl.col("sides") == 1).group_by(*apart, "text_hash", "correct").agg(pl.col("id").min())
    drawn = clear.with_columns(chance(f"prefer:{seed}", clear["id"]).alias("draw")).sort("sample_id", "draw", "id")
    placed = drawn.with_columns(turn=pl.int_range(pl.len(), dtype=pl.Int32).over(*apart, "correct"))
    right, wrong = (placed.filter(pl.col("correct") == side) for side in (True, False))
    pairs = right.select(*apart, "turn", "draw", chosen="id").join(
        wrong.select(*apart, "turn", rejected="id"), on=[*apart, "turn"]
    )
    pairs = pairs.sort("sample_id", "turn", "draw", "chosen")
    pairs = pairs.with_columns(index=pl.int_range(pl.len(), dtype=pl.Int32).over("sample_id"))
    return pairs.filter(pl.col("index") < config.per_prompt).select("chosen", "rejected", "index", id="sample_id")


def keep_paired(
    prompts: pl.DataFrame, responses: pl.DataFrame, pairs: pl.DataFrame, config: PreferenceConfig, seed: int
) -> tuple[Split, pl.DataFrame]:
    """Part the prompts (`id`) into those with a pair and the rest, and return the pairs that are kept.

    Reasons: `prefer:no_right`, `prefer:no_wrong`, `prefer:apart` (some models were right and others wrong, none both),
    `prefer:unclear` (equal texts, or texts of both verdicts), `prefer:budget` (beyond `max_pairs`).
    """
    finished = responses.filter(pl.col("finish_reason") == "stop")
    counts = finished.group_by("model", id="sample_id").agg(
        right=pl.col("correct").sum(), wrong=(~pl.col("correct")).sum()
    )
    both = (pl.col("right") > 0) & (pl.col("wrong") > 0)
    sides = counts.group_by("id").agg(pl.col("right").sum(), pl.col("wrong").sum(), both=both.any())
    rows = prompts.join(sides, on="id", how="left")
    if config.max_pairs is not None and pairs.height > config.max_pairs:
        drawn = pairs.with_columns(chance(f"pairs:{seed}", pairs["chosen"]).alias("draw"))
        pairs = drawn.sort("draw", "chosen").head(config.max_pairs).drop("draw").sort("id", "index")
        budgeted = drawn.join(pairs, on="id", how="anti").select("id").unique()
    else:
        budgeted = pairs.select("id").head(0)
    rows = rows.join(pairs.group_by("id").agg(pairs=pl.len()), on="id", how="left", maintain_order="left")
    rows = rows.join(budgeted.with_columns(over=pl.lit(True)), on="id", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("pairs").is_not_null())
        .then(None)
        .when(pl.col("over").is_not_null())
        .then(pl.lit("prefer:budget"))
        .when(pl.col("right").fill_null(0) == 0)
        .then(pl.lit("prefer:no_right"))
        .when(pl.col("wrong").fill_null(0) == 0)
        .then(pl.lit("prefer:no_wrong"))
        .when(~pl.col("both") & (not config.across_models))
        .then(pl.lit("prefer:apart"))
        .otherwise(pl.lit("prefer:unclear"))
    )
    parted = split(rows, reason, {"right": pl.col("right"), "wrong": pl.col("wrong")})
    return Split(parted.kept.select("id", "pairs"), parted.dropped), pairs
