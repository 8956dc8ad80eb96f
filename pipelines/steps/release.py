"""The step `release`: the configs of the recipe are written as an immutable version that trainers load as it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import polars as pl

from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.release.card import check_template
from pipelines.release.regrade import Report
from pipelines.release.write import Content, Look, write_release
from pipelines.run.context import StepContext
from pipelines.run.progress import Progress
from pipelines.run.receipt import Receipt
from pipelines.steps.release_buckets import Written, write_rows
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_empty import NO_ROW, check_not_empty
from pipelines.steps.release_gate import Gate
from pipelines.steps.release_manifest import manifest_of
from pipelines.steps.release_measured import measured_by
from pipelines.steps.release_plan import Planned, children_beside, plan
from pipelines.steps.release_regrade import regraded_by
from pipelines.steps.release_rollouts import ROLLOUTS, counted_by, logged, rollouts_beside
from pipelines.steps.release_rows import order_of, shape_of
from pipelines.steps.release_shares import scored_beside, shares
from pipelines.store.ordering import in_order
from pipelines.store.release_seal import is_whole
from pipelines.store.row_groups import PASSING, TableWriter
from pipelines.store.scratch import scratch
from pipelines.store.table_files import read_table, row_count, scan_table
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepType, Tables


def _reads(config: ReleaseConfig, known: Known) -> Reads:
    before = cast(Before, known)
    beside: dict[str, Beside] = {}
    for planned in plan(config, before):
        beside[planned.name] = planned.beside
        beside.update(children_beside(planned))
        beside.update(scored_beside(planned, before))
    measured = measured_by(config, before)
    if measured is not None:
        beside[ROLLOUTS] = rollouts_beside(measured, before)
    return Reads(beside=beside)


def _body(tables: Tables, config: ReleaseConfig, context: Context) -> Out:
    """Write the release. A sample without a row in any config is dropped (`release:no_row`)."""
    running = cast(StepContext, context)
    before = Before(running.pipeline.names, running.pipeline.before(running.step))
    planned, measured = plan(config, before), measured_by(config, before)
    build = running.build
    gate = Gate(config.trainer, build.seed)
    with scratch(build.folder / running.name) as room:
        written = write_rows(planned, running, gate, room, _written(running, planned))
        kept = _sampled({one.name: written[one.name] for one in planned if one.selected_by is None})
        bare = tables.rows.join(kept, on="id", how="anti", maintain_order="left")
        drops = bare.select("id", reason=pl.lit(f"{running.name}:{NO_ROW}"), evidence=pl.lit("{}"))
        everything = pl.concat([_all_drops(running, room), _own_drops(running, gate, drops).lazy()])
        counts = {name: sum(map(row_count, paths)) for name, paths in written.items()}
        check_not_empty(planned, config, running, counts, everything)
        rollouts = None if measured is None else logged(running, measured, before, _sampled(written), room)
        content = Content(
            tables={name: scan_table(paths) for name, paths in written.items()},
            dropped=everything,
            manifest=manifest_of(running, config, planned, measured, tables.rows.height, drops)
            | {"verified_shares": shares(planned, running, written)},
            rollouts=rollouts,
            by={one.name: order_of(one) for one in planned},
            memory=build.memory,
            shapes={one.name: shape_of(one, build.media, config.images) for one in planned},
            counted_by={} if measured is None else counted_by(running, measured, before),
        )
        look = Look(config.images, config.card)
        home = build.workspace.releases(build.recipe.name)
        path = write_release(content, look, build.media, home, _report(running), regraded_by(running, room))
    return Out(None, drops, {"version": pl.DataFrame({"version": [path.name]})})


def _sampled(written: Written) -> pl.DataFrame:
    """The samples that any of the configs holds."""
    return pl.concat([scan_table(paths).select(id="sample_id") for paths in written.values()]).unique().collect()


_DROPS = ("step", "unit", "id", "sample_id", "reason", "evidence")


def _all_drops(context: StepContext, room: Path) -> pl.LazyFrame:
    """Every drop of the build, in the order of the steps, then of the ids: the same for any number of buckets. Lies below
    `room`, for memory may not hold it."""
    path = room / "drops.parquet"
    schema = pl.Schema(dict.fromkeys(_DROPS, pl.String()))
    with scratch(room) as runs, TableWriter(path, schema, packing=PASSING) as writer:
        for step in context.pipeline.before(context.step):
            for piece in in_order(_drops_of(step, context), ("id", "reason"), runs, context.build.memory):
                writer.add(piece)
    return scan_table(path)


def _drops_of(step: Step, context: StepContext) -> Iterator[pl.DataFrame]:
    for bucket in context.buckets:
        for table in ("dropped", "retired"):
            drops = context.tables.scan(step.name, table, bucket)
            if drops is not None:
                yield _with_sample(drops.collect(), step, context, bucket)


def _with_sample(drops: pl.DataFrame, step: Step, context: StepContext, bucket: int) -> pl.DataFrame:
    """Drops with the sample that each row belonged to."""
    of = step.node if step.node.makers else None
    known = (
        context.tables.made(of, bucket)
        if of is not None
        else pl.DataFrame(schema={"id": pl.String, "sample_id": pl.String})
    )
    on = "id" if step.makes is None or "parent_id" not in drops.columns else "parent_id"
    joined = drops.join(known.select(pl.col("id").alias(on), "sample_id"), on=on, how="left", maintain_order="left")
    named = joined.with_columns(
        step=pl.lit(step.name), unit=pl.lit(step.unit), sample_id=pl.coalesce("sample_id", "id")
    )
    return named.select(_DROPS)


def _own_drops(context: StepContext, gate: Gate, drops: pl.DataFrame) -> pl.DataFrame:
    mine = drops.with_columns(unit=pl.lit("sample"), sample_id="id")
    both = pl.concat([gate.dropped(context.name), mine.select("id", "reason", "evidence", "unit", "sample_id")])
    return both.with_columns(step=pl.lit(context.name)).select(_DROPS).sort("unit", "id", "reason")


def _written(context: StepContext, planned: tuple[Planned, ...]) -> Callable[[int], None]:
    """Tells the build's progress how many rows were written, of those that may be; nothing where they are few."""
    records = [context.record.step(maker) or {} for one in planned for maker in one.node.makers]
    return Progress(context.build, context.name, sum(record.get("kept", 0) for record in records)).add


def _report(context: StepContext) -> Report:
    """Tells the build's progress how many rollouts were graded again, of how many."""
    started = time.monotonic()

    def report(done: int, of: int) -> None:
        receipt = Receipt(total=of, samples=done, seconds=time.monotonic() - started)
        context.build.progress(context.name, receipt)

    return report


def _check(config: ReleaseConfig, build: Any) -> None:
    if config.card is not None:
        check_template(config.card)


def _published(name: str, build: Any) -> Path | None:
    """The folder of the release that the build's step wrote; None where it is gone, or a file of it is."""
    try:
        version = read_table(build.folder / name / "version.parquet")["version"][0]
    except (FileNotFoundError, pl.exceptions.PolarsError):
        return None
    path: Path = build.workspace.releases(build.recipe.name) / str(version)
    return path if is_whole(path) else None


STEP = StepType(
    name="release",
    summary="writes an immutable version: a config for each kind of row that goes out",
    version=4,
    config=ReleaseConfig,
    reads=_reads,
    gives=lambda config, known: Gives(),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    verdict=True,
    streams=True,
    last=True,
    check=_check,
    published=_published,
    cures={NO_ROW: "see what dropped the rows that they would be released in, with `curate why ID`"},
)
