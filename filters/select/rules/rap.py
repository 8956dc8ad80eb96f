"""RAP, "Truth in the Few" (arXiv 2506.04755): samples whose image matters, whose reply looks around, and some hard ones.

`variant: paper`, in its order:

- CDE, causal discrepancy: keep where p_img - p_txt > lambda_c (0.5), pass rates with and without the image (M = 5).
- ACE, attention confidence: discard where max_j psi_j > lambda_a (0.1); psi comes from the `signals` section, with sigma.
- DRM, difficulty-aware replacement: of what is left, drop the always right (D = 1 - p_img = 0), and take as many others
  instead, the largest D first, of those with 1/M <= D < 1 that pass ACE. The never right are not admitted.

A survivor of CDE has p_img above lambda_c, so what is harder can come in through DRM alone; whether DRM draws from all data
is not stated (its formula has no CDE term, so `drm_pool: all` is the default).

`variant: code` is another rule, that of Mrshenshen/RAP, select/selection.py (84cc32a). With b the mean p_img,
s = 1 - (p_img - b)^2 / (1 - b)^2 (LIMR's closeness over one epoch), gap = p_img - p_txt:

- A: s >= 0.6 and gap > 0.2, without the always right;
- B: s >= 0.85 and (gap > the mean gap, or right once and gap >= 0.2); or right once and gap >= 0.6 (cannot be, for M = 5);
- kept: A, and a tenth of those in B that are right once.

There a reward is 0.9 * right + 0.1 * well-formed; p counts rewards of 1, `always` and `once` count rewards from 0.9 on.
There are no attentions and no ranking in it. Its `> 0.2` on floats keeps p = (0.8, 0.6) and drops (0.6, 0.4); here all
comparisons are of whole numbers, so 0.8 - 0.6 is not above 0.2. Its `random.seed(42)` draws by row number; here by id.

Neither orders what it keeps: `value` is 1, and a budget, where one is set, is filled by chance.
"""

from fractions import Fraction
from math import log
from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.share import Share
from schemas.ids import chance
from schemas.section import Section

GRID = ("k", "n", "k_text", "n_text")
FORMED = ("k_formed", "k_text_formed")


class RapConfig(Section):
    """Thresholds. The first group is of the paper, the second of the public code."""

    type: Literal["rap"] = "rap"
    variant: Literal["paper", "code"] = "paper"

    lambda_c: Share = Field(default="1/2", validate_default=True, description="paper: p_img - p_txt must exceed it")
    lambda_a: float | None = Field(
        default=0.1, gt=0, description="paper: largest psi that passes; null: without ACE, no signals needed"
    )
    m: int | None = Field(
        default=None, ge=1, description="paper: M of DRM's 1/M; null: the rollouts that the sample has (published: 5)"
    )
    drm: bool = Field(default=True, description="paper: replace the always right by hard ones")
    drm_pool: Literal["all", "survivors"] = Field(
        default="all",
        description="paper: hard ones come from all samples, or only from survivors of CDE (all of which are kept "
        "already, so that DRM then only drops)",
    )

    closeness: Share = Field(default="3/5", validate_default=True, description="code: least s of set A")
    closeness_hard: Share = Field(default="17/20", validate_default=True, description="code: least s of set B")
    gap: Share = Field(
        default="1/5", validate_default=True, description="code: gap of set A, and of the right once in B"
    )
    gap_hard: Share = Field(
        default="3/5", validate_default=True, description="code: gap at which the right once are in B"
    )
    hard_share: Share = Field(
        default="1/10", validate_default=True, description="code: share of B's right once to take"
    )
    hard_seed: int = Field(default=42, description="code: seed of that draw")
    formed: bool = Field(
        default=False, description="code: for p, count only right replies that are well-formed too (reward = 1)"
    )


def columns(config: RapConfig) -> tuple[str, ...]:
    """Counts with and without the image; `log_psi` for ACE; counts of well-formed right replies."""
    if config.variant == "paper":
        return (*GRID, "log_psi") if config.lambda_a is not None else GRID
    return (*GRID, *FORMED) if config.formed else GRID


def window(config: RapConfig, n: int) -> None:
    """None: `paper` compares two rates of M rollouts each, at whatever count, and `code` asks who was right exactly once."""


def judge(rows: pl.DataFrame, config: RapConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Causes of `paper`: `cde`, `ace`, `too_easy`; of `code`: `too_easy`, `not_drawn`, `closeness`, `gap`.

    `admitted_by` is `drm` or `hard_draw` where a row is in by that alone.
    """
    found = _paper(rows, config, seed) if config.variant == "paper" else _code(rows, config)
    numbers = [c for c in columns(config) if c in rows.columns]
    return found.select("id", *numbers, "admitted_by", value=pl.lit(1.0), cause="cause")


def _paper(rows: pl.DataFrame, config: RapConfig, seed: int) -> pl.DataFrame:
    rows = rows.with_columns(pl.col(c).cast(pl.Int64) for c in GRID)
    k, n, k_text, n_text = (pl.col(c) for c in GRID)
    limit, pairs = config.lambda_c, n * n_text
    seen = (n > 0) & (n_text > 0) & ((k * n_text - k_text * n) * limit.denominator > pairs * limit.numerator)
    calm = pl.lit(True) if config.lambda_a is None else pl.col("log_psi") <= log(config.lambda_a)
    rows = rows.with_columns(seen=seen, calm=calm, always=k == n, wrong=n - k)
    survives = pl.col("seen") & pl.col("calm")
    cause = pl.when(~pl.col("seen")).then(pl.lit("cde")).when(~pl.col("calm")).then(pl.lit("ace"))
    if config.drm:
        cause = cause.when(pl.col("always")).then(pl.lit("too_easy"))
    rows = rows.with_columns(cause=cause, admitted_by=pl.lit(None, pl.String))
    if not config.drm:
        return rows
    out = rows.select((survives & pl.col("always")).sum()).item()
    least = n if config.m is None else config.m
    hard = (pl.col("wrong") * least >= n) & (k > 0) & pl.col("calm") & pl.col("cause").is_not_null()
    pool = rows.filter(hard) if config.drm_pool == "all" else rows.filter(hard & pl.col("seen"))
    ranked = pool.with_columns(chance(f"rap:{seed}", pool["id"]).alias("tie"), difficulty=pl.col("wrong") / n)
    taken = ranked.sort("difficulty", "tie", "id", descending=[True, False, False])["id"].head(out)
    admitted = pl.col("id").is_in(taken.implode())
    return rows.with_columns(cause=pl.when(~admitted).then("cause"), admitted_by=pl.when(admitted).then(pl.lit("drm")))


def _code(rows: pl.DataFrame, config: RapConfig) -> pl.DataFrame:
    """Each distinct combination of counts is judged once, in fractions."""
    named = dict(zip(FORMED, FORMED if config.formed else ("k", "k_text"), strict=True))
    rows = rows.with_columns(**{formed: pl.col(column) for formed, column in named.items()})
    kinds = rows.group_by(*GRID, *FORMED).agg(times=pl.len()).sort(*GRID, *FORMED)
    verdicts = _code_verdicts(kinds, config)
    judged = rows.join(verdicts, on=[*GRID, *FORMED], how="left", maintain_order="left")
    pool = judged.filter("hard")["id"]
    drawn = pl.DataFrame({"id": pool, "tie": chance(f"rap:{config.hard_seed}", pool)}).sort("tie", "id")
    taken = drawn["id"].head(int(config.hard_share * len(pool)))
    admitted = pl.col("cause").is_not_null() & pl.col("id").is_in(taken.implode())
    return judged.with_columns(
        cause=pl.when(~admitted).then("cause"), admitted_by=pl.when(admitted).then(pl.lit("hard_draw"))
    )


def _code_verdicts(kinds: pl.DataFrame, config: RapConfig) -> pl.DataFrame:
    """`cause` (before the draw; null: in A) and `hard` (right once and in B) of each combination of counts."""
    rates = [
        (row, _rate(row["k_formed"], row["n"]), _rate(row["k_text_formed"], row["n_text"])) for row in kinds.to_dicts()
    ]
    total = max(1, sum(row["times"] for row, _, _ in rates))
    b = sum((p * row["times"] for row, p, _ in rates), Fraction(0)) / total
    b_text = sum((q * row["times"] for row, _, q in rates), Fraction(0)) / total
    causes, hard = [], []
    for row, p, q in rates:
        gap, off, room = p - q, (p - b) ** 2, (1 - b) ** 2
        near, nearer = (off <= (1 - least) * room for least in (config.closeness, config.closeness_hard))
        once, always = row["k"] == 1, row["k"] == row["n"]
        in_b = nearer and (gap > b - b_text or (once and gap >= config.gap))
        hard.append(once and (in_b or gap >= config.gap_hard))
        in_a = near and gap > config.gap
        causes.append(
            "too_easy"
            if in_a and always
            else None
            if in_a
            else "not_drawn"
            if hard[-1]
            else "gap"
            if near
            else "closeness"
        )
    return kinds.drop("times").with_columns(pl.Series("cause", causes, pl.String), pl.Series("hard", hard, pl.Boolean))


def _rate(k: int, n: int) -> Fraction:
    return Fraction(k, n) if n else Fraction(0)
