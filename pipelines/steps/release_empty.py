"""A config that comes out empty is an error, because a build without rows must not look like success. It says why."""

from collections.abc import Iterator, Mapping

import polars as pl

from pipelines.run.context import StepContext
from pipelines.run.losses import cure_of
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_plan import Planned
from pipelines.steps.split import SplitConfig
from pipelines.store.step_tables import ROWS
from schemas.errors import StepError

NO_ROW = "no_row"
"""The cause of the release's own drops: the sample is in no config. What dropped its rows says more."""
NO_SAMPLE = ": no sample was left for any side."
MOST = 3
"""Causes that are named, the most common first."""


def check_not_empty(
    planned: tuple[Planned, ...],
    config: ReleaseConfig,
    context: StepContext,
    counts: Mapping[str, int],
    drops: pl.LazyFrame,
) -> None:
    """Raise StepError for the first config without a row, unless the recipe allows it or this is a trial of a few rows.

    `counts` are the rows of each config, `drops` (`step, sample_id, reason`) all drops of the build.
    """
    trial = context.build.recipe.name.endswith(".trial")
    for one in planned:
        if counts[one.name] or trial or one.name in config.allow_empty or one.selected_by is not None:
            continue
        why = "".join(_because(one, context, drops))
        raise StepError(
            f"The config '{one.name}' is empty{why} Nothing was released. If it may be empty, set "
            f"allow_empty: [{one.name}] in the section of '{context.name}'."
        )


def _because(planned: Planned, context: StepContext, drops: pl.LazyFrame) -> Iterator[str]:
    dealt = _dealt(planned, context)
    side = None if dealt is None else dealt.filter(side=planned.name)
    if dealt is not None and side is not None and side.is_empty() and dealt.height:
        yield f": none of {dealt.height:,} samples was dealt to that side."
        return
    alive = _alive(planned, context)
    if alive.height and planned.where is not None and not planned.meets(alive).fill_null(False).any():
        yield f": none of its {alive.height:,} rows of {planned.node.unit} meets `{planned.where.text}`."
        return
    if side is None or side.is_empty():
        pairs = planned.holds == "pairs" and alive.is_empty()
        gone = dealt is not None
        yield ": no prompt has a preferred response and a rejected one." if pairs else NO_SAMPLE if gone else "."
    else:
        yield f", though {side.height:,} samples were dealt to that side."
    lost = (
        drops
        if side is None or side.is_empty()
        else drops.join(side.lazy().select(sample_id="id"), on="sample_id", how="semi")
    )
    yield from _causes(lost.filter(pl.col("reason") != f"{context.name}:{NO_ROW}"), context)


def _dealt(planned: Planned, context: StepContext) -> pl.DataFrame | None:
    """`id, side` of all samples, dropped since or not; None where the config is not that of a side."""
    split = next((s for s in context.pipeline.before(context.step) if isinstance(s.config, SplitConfig)), None)
    if split is None or planned.sides != (planned.name,):
        return None
    tables = (context.tables.scan(split.name, ROWS, bucket) for bucket in context.buckets)
    found = [table.select("id", "side").collect() for table in tables if table is not None]
    return pl.concat([pl.DataFrame(schema={"id": pl.String, "side": pl.String}), *found])


def _alive(planned: Planned, context: StepContext) -> pl.DataFrame:
    """The rows of a config's sides, whether they meet its condition or not."""
    asked = () if planned.where is None else (planned.asked_as(".".join(ref)) for ref in planned.where.references)
    wanted = {"side", *asked}
    rows = pl.concat([context.beside(planned.name, bucket, only=wanted) for bucket in context.buckets])
    return rows if planned.sides is None else rows.filter(pl.col("side").is_in(list(planned.sides)))


def _causes(drops: pl.LazyFrame, context: StepContext) -> Iterator[str]:
    """The most common causes, each with how many samples it cost something, and what to do about the first."""
    counted = drops.group_by("reason", "step").agg(pl.col("sample_id").n_unique().alias("n"))
    found = counted.sort("n", "reason", descending=[True, False]).head(MOST).collect()
    if found.is_empty():
        return
    yield f" Dropped of them: {', '.join(f'{n:,} {reason}' for reason, n in found.select('reason', 'n').iter_rows())}."
    reason, name = found.select("reason", "step").row(0)
    step = context.step if name == context.name else context.pipeline.step(name)
    cure = cure_of(step.type, reason.partition(":")[2])
    if cure is not None:
        yield f" Likely cure: {cure}."
