"""The first step: sources become samples, dealt to buckets by their ids."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.ingest.ingest import ingest
from pipelines.run.build import Build
from pipelines.run.context import StepContext
from pipelines.run.dealing import Dealer, hand
from pipelines.run.losses import losses
from pipelines.run.progress import of_sources
from pipelines.run.record import Record
from pipelines.store.scratch import scratch
from pipelines.store.step_tables import (
    DROPS,
    ROWS,
    STEP_DROPS,
    buckets_for,
    column_contents,
    content,
    part,
    write_part,
)
from pipelines.store.workspace import store_errors
from schemas.sample import SAMPLE
from schemas.split import DROPPED

SAMPLE_COLUMNS = {name: dtype for name, dtype in SAMPLE.items() if name not in ("id", "parent_id")}
"""The columns that samples of sources have beside their ids."""


def read_sources(context: StepContext) -> None:
    """Read the sources, write their samples and record them.

    The number of buckets stays what it was while the samples fit; where it has to change, all steps are computed again.
    """
    build, step, record = context.build, context.step, context.record
    recipe, folder, started = build.recipe, build.folder / step.name, time.monotonic()
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    dropped: Counter[str] = Counter()
    with scratch(folder) as room:
        taken, gone = (Dealer(room / name, build.memory) for name in (ROWS, DROPS))
        samples, progress = 0, of_sources(build, step, recipe.sources, recipe.limit)
        progress.add(0)
        for batch in ingest(
            recipe.sources,
            build.media,
            recipe.ingest,
            limit=recipe.limit,
            seed=recipe.seed,
            parse=build.verifiers().parse_gold,
        ):
            taken.add(batch.kept.select(_columns(step).names()))
            gone.add(batch.dropped)
            samples += batch.kept.height
            dropped.update(batch.dropped["reason"])
            progress.add(batch.kept.height + batch.dropped.height)
        needed = build.buckets or buckets_for(samples, taken.size)
        if record.buckets < needed or build.buckets not in (None, record.buckets):
            record.start(needed)
            _clear(build.folder, but=step.name)
        record.begin(step, range(record.buckets))
        hands = zip(taken.end(record.buckets), gone.end(record.buckets), strict=True)
        found = context.each(write_hand, {number: (str(room), *files) for number, files in enumerate(hands)}, near=True)
        parts = {name: part for one in found.values() for name, part in one.items()}
        parts = {name: parts[name] for name in sorted(parts, key=int)}
    total = sum(one["kept"] for one in parts.values())
    record.put(step, _summary(build, step, record, parts, dropped, total, time.monotonic() - started))


def write_hand(
    context: StepContext, number: int, room: str, kept: list[int], gone: list[int], done: Callable[[int], None]
) -> dict[str, dict[str, Any]]:
    """Write the buckets of a hand (`pipelines.run.dealing`) from its files; their records, by their numbers as texts."""
    step, folder, buckets = context.step, context.build.folder / context.name, len(context.buckets)
    taken = hand(Path(room) / ROWS, number, kept, buckets, _columns(step))
    dropped = hand(Path(room) / DROPS, number, gone, buckets, DROPPED)
    found = {}
    for (bucket, rows), (_, drops) in zip(taken, dropped, strict=True):
        without = pl.lit(None, pl.String)  # samples of sources were made from no row
        samples = rows.with_columns(sample_id="id", parent_id=without)
        found[str(bucket)] = _put(
            folder, bucket, samples, drops.with_columns(parent_id=without).select(list(STEP_DROPS)), step
        )
        done(rows.height)
    return found


def _columns(step: Step) -> pl.Schema:
    return pl.Schema({"id": pl.String(), **step.gives, "parent_id": pl.String()})


def _clear(folder: Path, but: str) -> None:
    """Remove the tables of all steps, whose parts are those of another number of buckets; scratch of `but` stays."""
    for found in folder.iterdir():
        if found.is_dir() and found.name != but:
            shutil.rmtree(found)
        elif found.is_dir():
            for old in found.glob("*-*.parquet"):
                old.unlink()


def _put(folder: Path, bucket: int, rows: pl.DataFrame, drops: pl.DataFrame, step: Step) -> dict[str, Any]:
    """Write the tables of a bucket, and return what is recorded of them."""
    ids = column_contents(rows.select("id"))["id"]
    contents = {n: f"{c}:{ids}" for n, c in column_contents(rows.select(list(step.gives))).items()}
    tables = {ROWS: rows}
    if drops.height:
        tables[DROPS], contents["#drops"] = drops, content(drops)
    else:
        part(folder, DROPS, bucket).unlink(missing_ok=True)  # what it gave before
    return {
        "files": {(path := part(folder, name, bucket)).name: write_part(one, path) for name, one in tables.items()},
        "contents": {"#id": ids, **contents},
        "kept": rows.height,
        "dropped": dict(drops.group_by("reason").len().sort("reason").iter_rows()),
    }


def _summary(
    build: Build,
    step: Step,
    record: Record,
    parts: dict[str, dict[str, Any]],
    dropped: Counter[str],
    total: int,
    seconds: float,
) -> dict[str, Any]:
    for found in parts.values():
        found |= {"inputs": record.inputs(step, 0), "in": found["kept"] + sum(found["dropped"].values())}
        found |= {"run": build.run, "passed": 0, "undecided": 0, "gone": 0, "notes": {}}
    summary = {
        "step": step.name,
        "type": step.type.name,
        "unit": "sample",
        "of": "sample",
        "makes": True,
        "fingerprint": record.fingerprint(step),
        "in": total + dropped.total(),
        "passed": 0,
        "undecided": 0,
        "gone": 0,
        "kept": total,
        "dropped": dict(sorted(dropped.items(), key=lambda pair: (-pair[1], pair[0]))),
        "seconds": round(seconds, 3),
        "run": build.run,
        "notes": {},
        "buckets": parts,
    }
    return {**summary, "warnings": losses(step.type, summary)}
