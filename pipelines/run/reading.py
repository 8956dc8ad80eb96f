"""The first step: sources become samples, dealt to buckets by their ids."""

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.ingest.ingest import ingest
from pipelines.run.build import Build
from pipelines.run.losses import losses
from pipelines.run.record import Record
from pipelines.store.ordering import sorted_pieces
from pipelines.store.row_groups import TableWriter, whole_rows
from pipelines.store.scratch import scratch
from pipelines.store.step_tables import (
    DROPS,
    ROWS,
    STEP_DROPS,
    bucket_of,
    buckets_for,
    column_contents,
    content,
    part,
    write_part,
)
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import store_errors
from schemas.sample import SAMPLE
from schemas.split import DROPPED

SAMPLE_COLUMNS = {name: dtype for name, dtype in SAMPLE.items() if name not in ("id", "parent_id")}
"""The columns that samples of sources have beside their ids."""


def read_sources(build: Build, step: Step, record: Record) -> None:
    """Read the sources, write their samples and record them.

    The number of buckets stays what it was while the samples fit; where it has to change, all steps are computed again.
    """
    recipe, folder, started = build.recipe, build.folder / step.name, time.monotonic()
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    dropped: Counter[str] = Counter()
    with scratch(folder) as room:
        kept, gone = room / "kept.parquet", room / "gone.parquet"
        samples = 0
        with (
            TableWriter(kept, pl.Schema({"id": pl.String(), **step.gives, "parent_id": pl.String()})) as taken,
            TableWriter(gone, DROPPED) as drops,
        ):
            for batch in ingest(
                recipe.sources,
                build.media,
                recipe.ingest,
                limit=recipe.limit,
                seed=recipe.seed,
                parse=build.verifiers().parse_gold,
            ):
                taken.add(batch.kept.select("id", *step.gives, "parent_id"))
                drops.add(batch.dropped)
                samples += batch.kept.height
                dropped.update(batch.dropped["reason"])
        needed = build.buckets or buckets_for(samples)
        if record.buckets < needed or build.buckets not in (None, record.buckets):
            record.start(needed)
            _clear(build.folder, but=step.name)
        record.begin(step, range(record.buckets))
        parts: dict[str, dict[str, Any]] = {}
        tables = {
            ROWS: scan_table(kept).with_columns(sample_id="id", parent_id=pl.lit(None, pl.String)),
            DROPS: scan_table(gone).with_columns(parent_id=pl.lit(None, pl.String)).select(list(STEP_DROPS)),
        }
        for bucket in range(record.buckets):
            parts[str(bucket)] = {"files": {}, "contents": {}, "kept": 0, "dropped": {}}
        for name, table in tables.items():
            placed = table.with_columns(bucket=bucket_of(pl.col("id"), record.buckets))
            empty = pl.DataFrame(schema=table.collect_schema())
            found = set[int]()
            for piece in whole_rows(sorted_pieces(placed, ("bucket", "id"), room, build.memory), "bucket"):
                for mine in piece.partition_by("bucket", maintain_order=True):
                    number = int(mine["bucket"][0])
                    _put(folder, name, number, mine.drop("bucket"), parts, step)
                    found.add(number)
            for number in set(range(record.buckets)) - found:
                if name == ROWS:
                    _put(folder, name, number, empty, parts, step)
                else:
                    part(folder, name, number).unlink(missing_ok=True)  # what it gave before
    total = sum(found["kept"] for found in parts.values())
    record.put(step, _summary(build, step, record, parts, dropped, total, time.monotonic() - started))


def _clear(folder: Path, but: str) -> None:
    """Remove the tables of all steps, whose parts are those of another number of buckets; scratch of `but` stays."""
    for found in folder.iterdir():
        if found.is_dir() and found.name != but:
            shutil.rmtree(found)
        elif found.is_dir():
            for old in found.glob("*-*.parquet"):
                old.unlink()


def _put(
    folder: Path, table: str, bucket: int, rows: pl.DataFrame, parts: dict[str, dict[str, Any]], step: Step
) -> None:
    path, found = part(folder, table, bucket), parts[str(bucket)]
    found["files"][path.name] = write_part(rows, path)
    if table == DROPS:
        found["contents"]["#drops"] = content(rows)
        found["dropped"] = dict(rows.group_by("reason").len().sort("reason").iter_rows())
        return
    found["kept"] = rows.height
    ids = column_contents(rows.select("id"))["id"]
    found["contents"] |= {
        "#id": ids,
        **{n: f"{c}:{ids}" for n, c in column_contents(rows.select(list(step.gives))).items()},
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
