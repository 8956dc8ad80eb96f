"""The config `rollouts` of a release: the replies that k of n was counted on, each with what it counts as and who decided.

The reward of a release is the verifier that scored them, so what that verifier decided has to count as it says. Where it
could not tell, a later step may have: the row says so (`tier` is `judge`), because there the reward gives None.
"""

from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from filters.difficulty import DifficultyConfig, outcome, verdict
from filters.regrade import decided, reason
from filters.sql.expression import Condition
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.release import rollout_rows
from pipelines.run.context import StepContext
from pipelines.steps.release_measured import decided_by, measured_tags, rollouts_of, scored_by
from pipelines.store.ordering import in_order
from pipelines.store.row_groups import PASSING
from pipelines.store.scratch import scratch
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_pieces
from schemas.errors import StepError
from schemas.step import Beside, Read, read, reads_of

ROLLOUTS = "rollouts"
_REPLY = {"model": pl.String(), "index": pl.Int32(), "text": pl.String(), "finish_reason": pl.String()}
_SCORED = {
    "ruled": ("verdict", pl.String()),
    "score": ("score", pl.Float64()),
    "tier": ("tier", pl.String()),
    "explanation": ("explanation", pl.String()),
    "no_answer": ("no_answer", pl.Boolean()),
}
"""What the verifier gives a reply: the column, and its type."""


def rollouts_beside(measured: Step, before: Before) -> Beside:
    """The counted replies, dropped since or not, with what is read of them. Raises ValueError where no rule scored them."""
    scored = scored_by(measured, before)
    if scored is None:
        unit = next(iter(measured.beside.values())).node.unit
        raise ValueError(
            f"no `verify` scored what '{measured.name}' counts, and the reward of a release is a verifier; put "
            f"`verify: {{of: {unit}}}` before it, and let other steps decide only where its `correct` is null"
        )
    reads = {name: read(name, dtype) for name, dtype in _REPLY.items()}
    reads |= {name: Read((scored.name, column), dtype) for name, (column, dtype) in _SCORED.items()}
    reads |= {f"right:{name}": found for name, found in reads_of(Condition(measured.config.correct).references).items()}
    return Beside(rollouts_of(measured), reads, dropped=True, gone=True, gold_free=True)


def logged(context: StepContext, measured: Step, before: Before, samples: pl.DataFrame, room: Path) -> pl.LazyFrame:
    """Every reply of the steps that k of n was counted on, by all their models, with what it counts as (columns of
    `rollout_rows.SCHEMA`), in order of the samples: the same for any number of buckets.

    Raises StepError for a reply that counts otherwise than its verifier says.
    """
    scored = scored_by(measured, before)
    assert scored is not None  # or `rollouts_beside` had refused the recipe
    wanted, path = samples.select(sample_id="id"), room / "rollouts.parquet"

    def counted(bucket: int) -> pl.DataFrame:
        rows = with_outcomes(context.beside(ROLLOUTS, bucket), measured, scored)
        return rows.join(wanted, on="sample_id", how="semi").select("id", *rollout_rows.SCHEMA.names)

    found = map(counted, context.buckets)
    first = next(found)
    with scratch(room) as runs:
        by = ("sample_id", "model", "index", "id")
        ordered = in_order(chain([first], found), by, runs, context.build.memory)
        write_pieces(ordered, first.schema, path, PASSING)
    return scan_table(path).drop("id")


def with_outcomes(rows: pl.DataFrame, measured: Step, scored: Step) -> pl.DataFrame:
    """Replies (as in `rollouts_beside`) with `verdict, correct, tier, score, reason`. Raises StepError as `logged` does."""
    right = Condition(measured.config.correct)
    seen = rows.select(
        pl.col("id").alias("row id"), *(pl.col(f"right:{n}").alias(n) for n in map(".".join, right.references))
    )
    rows = rows.with_columns(right.evaluate(seen).alias("correct"), ruled=pl.col("ruled").fill_null("unscored"))
    _check_counted(rows, measured, scored)
    rows = decided(rows.with_columns(pl.col("no_answer").fill_null(False)), decided_by(measured))
    return rows.with_columns(outcome(measured.config).alias("correct"), verdict=verdict(), reason=reason())


def _check_counted(rows: pl.DataFrame, measured: Step, scored: Step) -> None:
    """Raise StepError for the first reply that a rule decided and that counts otherwise."""
    ruled, counted = pl.col("ruled"), pl.col("correct")
    decided = ruled.is_in(["right", "wrong"]) & counted.ne_missing(ruled == "right")
    apart = rows.filter(decided | ((ruled == "no_answer") & counted.fill_null(False))).head(1)
    for row in apart.iter_rows(named=True):
        counts = {True: "as right", False: "as wrong", None: "as unscored"}[row["correct"]]
        raise StepError(
            f"'{measured.name}' counts rollout {row['index']} of '{row['model']}' of sample {row['sample_id']} "
            f"{counts} (`{measured.config.correct}`), and '{scored.name}' calls it {row['ruled']}. That verifier is the "
            "release's reward, so it would not pay what k of n counts, and nothing was released. Count by `correct` alone; "
            "another step may decide only where that is null."
        )


def counted_by(context: StepContext, measured: Step, before: Before) -> dict[str, Any]:
    """What `regrade` counts by: the seed, the tag schema of the rollouts, and what counts."""
    counting = {name: getattr(measured.config, name) for name in DifficultyConfig.model_fields}
    return {
        "seed": context.seed,
        "tags": measured_tags(measured, before),
        "difficulty": DifficultyConfig.model_validate(counting).model_dump(mode="json"),
    }
