"""Parquet files as tables: the one way in which they are found in a folder and read.

polars and DuckDB take `*`, `?` and `[` in a path for a pattern: asked for a table in `runs[1]/`, they read the one in
`runs1/`. Here a path is a path.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from filters.sql.engine import literal
from pipelines.remote.places import whole

_PATTERN = re.compile(r"[*?\[]")


def tables_in(folder: Path) -> list[Path]:
    """The parquet files of a folder, in the order of their names; none where there is no folder."""
    return sorted(whole(folder).glob("*.parquet"))


def scan_table(files: Path | Sequence[Path]) -> pl.LazyFrame:
    """A table as it lies in a file, or in several, one after the other."""
    return pl.scan_parquet(files if isinstance(files, Path) else list(files), glob=False)


def read_table(file: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A table, or some columns of it, in memory."""
    return pl.read_parquet(file, columns=None if columns is None else list(columns), glob=False)


def table_schema(file: Path) -> pl.Schema:
    """The columns of a table; reads none of its rows."""
    return pl.Schema(pl.read_parquet_schema(file))


def row_count(file: Path) -> int:
    """The rows of a table, by its footer."""
    return int(scan_table(file).select(pl.len()).collect().item())


def as_sql(files: Iterable[Path]) -> str:
    """Files as a list that `read_parquet` of DuckDB takes."""
    patterns = (_PATTERN.sub(lambda mark: f"[{mark[0]}]", str(file)) for file in files)
    return f"[{', '.join(map(literal, patterns))}]"


def is_pattern(path: str) -> bool:
    """Whether polars and DuckDB would take a path for a pattern."""
    return _PATTERN.search(path) is not None


def plain_name(name: str) -> str:
    """A name that nobody takes for a pattern."""
    return _PATTERN.sub("_", name)
