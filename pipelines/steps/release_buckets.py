"""The rows of a release, worked out a bucket at a time on all cores: each bucket's rows are a file of their config."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from pipelines.compiler.compile import Before
from pipelines.run.context import StepContext
from pipelines.steps.release_gate import Gate
from pipelines.steps.release_plan import Planned, plan
from pipelines.steps.release_rows import golds_of, marked, order_of, read_before, rows_of, unwritten, with_texts
from pipelines.store.ordering import write_sorted
from pipelines.store.row_groups import PASSING
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table

UNFILTERED = "unfiltered"
Written = Mapping[str, Sequence[Path]]
"""The tables of each config, by its name: one a bucket."""


def write_rows(
    planned: tuple[Planned, ...], context: StepContext, gate: Gate, room: Path, done: Callable[[int], None]
) -> Written:
    """The rows of every config, with their solutions and texts, below `room`. `done` is called with how many more there
    are."""
    if gate.trainer is not None:
        for seen in context.each(seen_in, dict.fromkeys(context.buckets, ())).values():
            gate.take(seen)
    work = {bucket: (gate.seen, str(room)) for bucket in context.buckets}
    for drops in context.each(write_bucket, work, done, near=True).values():
        gate.drops += drops
    paths = {one.name: [_path(room, one, bucket) for bucket in context.buckets] for one in planned}
    for one in planned:
        if one.section.limit is not None:
            # Which rows these are is decided by their ids and what they are ordered by; texts are read of them alone.
            rows, order = scan_table(paths[one.name]), order_of(one)
            places = rows.select(sorted({"id", "sample_id", *order})).collect().sort(order, nulls_last=True)
            first = rows.join(places.head(one.section.limit).lazy().select("id"), on="id", how="semi")
            write_sorted(first, order, room / f"{one.name}.parquet", context.build.memory)
            paths[one.name] = [room / f"{one.name}.parquet"]
            gate.beyond(places.slice(one.section.limit), one.name, one.section.limit, one.node.unit)
    if UNFILTERED in paths:
        _mark_released(paths[UNFILTERED], [paths[one.name] for one in planned if one.selected_by is None])
    return paths


def seen_in(context: StepContext, bucket: int, done: Callable[[int], None]) -> list[str]:
    """The golds of a bucket that rows of others may be tried with."""
    planned, gate = _planned(context)
    gate.look_at(_golds(planned, context, bucket))
    return gate.seen


def write_bucket(
    context: StepContext, bucket: int, seen: Sequence[str], room: str, done: Callable[[int], None]
) -> list[pl.DataFrame]:
    """Write the rows of every config in one bucket; what did not pass the gate."""
    planned, gate = _planned(context)
    gate.take(seen)
    solutions = gate.solutions(_golds(planned, context, bucket))
    for one in planned:
        rows = rows_of(one, context, bucket).join(solutions, on="sample_id", how="inner", maintain_order="left")
        if one.holds == "completions":
            rows = gate.unmarked(rows, marked(one, rows), one.node.unit)
            rows = gate.completions(with_texts(one, rows), one.tags, one.node.unit)
        rows = gate.whole(rows, unwritten(one, rows), one.node.unit)
        write_table(rows.drop(read_before(rows)), _path(Path(room), one, bucket), PASSING)
        done(rows.height)
    return gate.drops


def _planned(context: StepContext) -> tuple[tuple[Planned, ...], Gate]:
    config = context.step.config
    before = Before(context.pipeline.names, context.pipeline.before(context.step))
    return plan(config, before), Gate(config.trainer, context.seed)


def _path(room: Path, planned: Planned, bucket: int) -> Path:
    return room / f"{planned.name}-{bucket:04d}.parquet"


def _golds(planned: tuple[Planned, ...], context: StepContext, bucket: int) -> pl.DataFrame:
    """The golds of all rows of a bucket, each once: `sample_id, answer, verifier`."""
    found = [golds_of(one, context, bucket) for one in planned]
    return pl.concat(found).unique("sample_id", maintain_order=True)


def _mark_released(paths: Iterable[Path], trained: Iterable[Sequence[Path]]) -> None:
    """Add `released` to the rows at `paths`: whether any of the configs to train on holds their sample, limits counted."""
    held = pl.concat([scan_table(one).select(id="sample_id") for one in trained]).unique().collect()["id"]
    for path in paths:
        write_table(scan_table(path).with_columns(released=pl.col("sample_id").is_in(held.implode())), path, PASSING)
