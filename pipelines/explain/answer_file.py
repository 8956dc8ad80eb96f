"""The answer of a query as a file: parquet, CSV or JSON lines, by its ending; a piece at a time is in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.store.workspace import replacing, write_pieces
from schemas.errors import ConfigError

_ROWS = 65_536
Pieces = Iterator[pl.DataFrame]


def check_target(path: Path, workspace: Path) -> None:
    """Raise ConfigError for a file of no known ending, and for one in the workspace, which only builds write."""
    if path.suffix not in _WRITERS:
        raise ConfigError(f"'{path}' does not say what it shall be; end it in {', '.join(_WRITERS)}.")
    if path.absolute().resolve().is_relative_to(workspace.absolute().resolve()):
        raise ConfigError(f"'{path}' is in the workspace {workspace}, which only builds write. Name a file elsewhere.")


def save_answer(answer: Any, path: Path) -> int:
    """Write a DuckDB relation to a file that `check_target` let through, in place of what is there; returns its rows.

    Raises ConfigError for columns that its form cannot hold, StoreError where it cannot be written.
    """
    schema = pl.DataFrame(answer.limit(0).pl()).schema
    nested = [name for name, dtype in schema.items() if dtype.is_nested() or dtype == pl.Binary]
    if path.suffix == ".csv" and nested:
        raise ConfigError(f"CSV cannot hold the column '{nested[0]}' ({schema[nested[0]]}); end the file in .parquet.")
    reader = answer.fetch_arrow_reader(_ROWS)
    rows = 0

    def pieces() -> Pieces:
        nonlocal rows
        for batch in reader:
            piece = pl.DataFrame(pl.from_arrow(batch, schema=schema))
            rows += piece.height
            yield piece

    _WRITERS[path.suffix](pieces(), schema, path)
    return rows


def _parquet(pieces: Pieces, schema: pl.Schema, path: Path) -> None:
    write_pieces(pieces, schema, path)


def _csv(pieces: Pieces, schema: pl.Schema, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        pl.DataFrame(schema=schema).write_csv(file)
        for piece in pieces:
            piece.write_csv(file, include_header=False)


def _lines(pieces: Pieces, schema: pl.Schema, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            piece.write_ndjson(file)


_WRITERS: dict[str, Callable[[Pieces, pl.Schema, Path], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _lines,
}
