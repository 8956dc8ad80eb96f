"""What a stage's tables hold, as a hash of their rows in order, and whether the files are still what was written.

The hash is of rows, not of bytes: the same rows in other row groups, or written by another number of threads, are
the same content. It decides only whether work is done again, so 64 bits a row are enough; it is no signature.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl


def table_content(path: Path) -> str:
    """32 hex digits over the columns, their types and every row of a parquet table, read in pieces."""
    table = pl.scan_parquet(path)
    schema = table.collect_schema()
    digest = hashlib.blake2b(repr(list(schema.items())).encode(), digest_size=16)
    if schema:
        rows = table.select(row=pl.struct(pl.all()).hash())
        for piece in rows.collect_batches(maintain_order=True):
            digest.update(piece["row"].to_numpy().astype("<u8").tobytes())
    return digest.hexdigest()


def describe_tables(folder: Path) -> dict[str, dict[str, Any]]:
    """`rows`, `bytes` and `content` of every table in a stage's folder, by name."""
    return {
        path.stem: {
            "rows": int(pl.scan_parquet(path).select(pl.len()).collect().item()),
            "bytes": path.stat().st_size,
            "content": table_content(path),
        }
        for path in sorted(folder.glob("*.parquet"))
    }


def are_whole(folder: Path, tables: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether every table is there and as long as it was written. Reads none of them."""
    try:
        return all((folder / f"{name}.parquet").stat().st_size == told["bytes"] for name, told in tables.items())
    except (FileNotFoundError, NotADirectoryError):
        return False
