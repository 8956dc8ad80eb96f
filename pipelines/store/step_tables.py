"""The tables of steps on disk: a folder a step, and in it parts, one a bucket.

    builds/<recipe>/<step>/rows-0003.parquet      the rows that it wrote: `id` and the columns that it gives
    builds/<recipe>/<step>/dropped-0003.parquet   the rows that it dropped: `id, parent_id, reason, evidence`
    builds/<recipe>/<step>/retired-0003.parquet   samples whose place rows made of them have taken
    builds/<recipe>/<step>/asked-0003.parquet     what it asked models, by the keys of the logs
    builds/<recipe>/<step>/comparison.parquet     a table that it keeps beside its rows, of all buckets

A bucket holds all rows that were made, through however many steps, from the samples whose ids fall into it. How many there
are is decided once, when the sources are read, by how many samples there are, and of what size; workers take buckets,
they never make them.
A part of no rows is written of `rows` alone.
"""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.remote.places import copy_of
from pipelines.store.workspace import write_table
from schemas.digests import SHORT, file_hash
from schemas.ids import content_id
from schemas.split import DROPPED

ROWS, DROPS, RETIRED, REQUESTED = "rows", "dropped", "retired", "asked"
SAMPLES_A_BUCKET = 2048
BYTES_A_BUCKET = 128 << 20
"""How many samples a bucket holds at most, about, and how many bytes of what their sources give: with all that is made from
them they fit into a worker's memory."""

STEP_DROPS = pl.Schema({**DROPPED, "parent_id": pl.String()})


def buckets_for(samples: int, size: int = 0) -> int:
    """The number of buckets for so many samples of so many bytes, a power of two."""
    count = 1
    while count * SAMPLES_A_BUCKET < samples or count * BYTES_A_BUCKET < size:
        count *= 2
    return count


def bucket_of(ids: pl.Expr, buckets: int) -> pl.Expr:
    """The bucket of samples of the sources, by their ids, which are hexadecimal digits of a hash."""
    return ids.str.slice(0, 8).str.to_integer(base=16, dtype=pl.Int64) % buckets


def part(folder: Path, table: str, bucket: int) -> Path:
    return folder.parent / part_name(folder.name, table, bucket)


def part_name(step: str, table: str, bucket: int) -> str:
    """Where a part of a step's table lies in the folder of the build."""
    return f"{step}/{table}-{bucket:04d}.parquet"


def table_beside(folder: Path, table: str) -> Path:
    """Where a step with that folder keeps a table beside its rows (`schemas.step.Out.tables`)."""
    return folder / f"{table}.parquet"


def write_part(rows: pl.DataFrame, path: Path) -> list[Any]:
    """Write a part; its size in bytes and the hash by which it is known again.

    Where another machine records it, it is sent there.
    """
    write_table(rows, path)
    digest = file_hash(path)[:SHORT]
    if (copy := copy_of(path)) is not None and copy.helps(path.parents[1].name):
        copy.builds.send_table(path, digest)
    return [path.stat().st_size, digest]


def content(table: pl.DataFrame) -> str:
    """A hash of all columns of a table."""
    return content_id(column_contents(table))


def column_contents(table: pl.DataFrame) -> dict[str, str]:
    """A hash of each column, over the values in their order. It decides only what is computed again; it is no signature."""
    return {name: _content(table[name]) for name in table.columns}


def _content(column: pl.Series) -> str:
    digest = hashlib.blake2b(str(column.dtype).encode(), digest_size=16)
    digest.update(
        column.to_frame().select(value=pl.struct(pl.all()).hash())["value"].to_numpy().astype("<u8").tobytes()
    )
    return digest.hexdigest()
