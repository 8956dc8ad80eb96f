"""Logs that are written through journals: rows into this process's journal, journals into immutable parquet parts."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.store.journal import Fault, Journal, dead_journals, read_lines, set_aside, to_line
from pipelines.store.workspace import store_errors, write_table
from schemas.ids import hash_text

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Journalled:
    """Write side of the log under `root`. `finish` when done, whatever happened."""

    def __init__(self, root: Path, schema: pl.Schema, fault: Fault) -> None:
        self._root = root
        self._schema = schema
        self._fault = fault
        self._rows = 0
        self._since = time.monotonic()
        self.journal: Journal | None = None

    def open(self) -> None:
        """Make the journal; `append` does it where nobody did."""
        self._rows = 0
        self.journal = Journal.new(self._root)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows. When this returns, kill -9 cannot lose them."""
        if not rows:
            return
        if self.journal is None:
            self.open()
        assert self.journal is not None
        self.journal.append(b"".join(map(to_line, rows)))
        self._rows += len(rows)
        if self._rows >= FLUSH_ROWS or time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Turn the journal into a part."""
        if self.journal is None:
            return
        if self._rows:
            write_part(to_table(read_lines(self.journal.read(), self._fault).rows, self._schema), self._root)
            self.close()
            self.open()
        self._since = time.monotonic()

    def finish(self) -> None:
        """Turn the journal into a part and let go of it. Where that fails, its rows stay in it for whoever opens the log
        next, in this process too."""
        try:
            self.flush()
        except BaseException:
            if self.journal is not None:
                self.journal.release()
                self.journal = None
            raise
        self.close()

    def close(self) -> None:
        """Remove the journal; its rows are in a part by now, or there are none."""
        if self.journal is not None:
            journal, self.journal = self.journal, None
            journal.remove()


def heal(root: Path, schema: pl.Schema, fault: Fault) -> int:
    """Turn journals whose writers are gone into parts; returns how many of their lines were no rows.

    Such a line is kept in a file beside them and reported, and costs nothing but itself. Any number of processes may heal at
    once.
    """
    with store_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        odd = 0
        for journal in dead_journals(root):
            lines = read_lines(journal.read(), fault)
            write_part(to_table(lines.rows, schema), root)
            if lines.odd:
                odd += len(lines.odd)
                aside = set_aside(journal.path, lines.odd)
                message = "%d lines of %s are not rows of its log and are in %s now; the first: %s"
                logger.error(message, len(lines.odd), journal.path.name, aside, lines.odd[0][1])
            journal.remove()
        return odd


def to_table(rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """The rows of a journal, as they were checked, as a table."""
    timed = [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in rows]
    return pl.DataFrame(timed, schema=schema)


def write_part(table: pl.DataFrame, root: Path) -> Path | None:
    """Write rows as an immutable part and return its path; None where there are none.

    It is named by keys and times: writing the same journal twice gives one part.
    """
    if not table.height:
        return None
    table = table.unique(("key", "created_at"), keep="first", maintain_order=True).sort("key", "created_at")
    name = hash_text("".join(table["key"]) + str(table["created_at"].min()))
    path = root / f"part-{name}.parquet"
    write_table(table, path)
    return path
