"""Logs that are written through journals: rows into this process's journal, journals into immutable parquet parts."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.store.journal import Journal, dead_journals
from pipelines.store.journal_lines import Fault, read_lines, set_aside, to_line
from pipelines.store.part_folder import PartFolder
from pipelines.store.workspace import store_errors

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Rows(NamedTuple):
    """The rows of a log: where their parts lie, their columns, what is wrong with a line that is none, and the columns in
    which a row that was written twice is the same."""

    files: PartFolder
    schema: pl.Schema
    fault: Fault
    same: tuple[str, ...] = ("key", "created_at")


class Journalled:
    """Write side of a log. `finish` when done, whatever happened."""

    def __init__(self, log: Rows) -> None:
        self._log = log
        self._rows = 0
        self._since = time.monotonic()
        self.journal: Journal | None = None

    def open(self) -> None:
        """Make the journal; `append` does it where nobody did."""
        self._rows = 0
        self.journal = Journal.new(self._log.files.folder)

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
            to_part(self.journal, self._log)
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
                self.journal.give_up()
                self.journal = None
            raise
        self.close()

    def close(self) -> None:
        """Remove the journal; its rows are in a part by now, or there are none."""
        if self.journal is not None:
            journal, self.journal = self.journal, None
            journal.remove()


def heal(log: Rows) -> int:
    """Turn journals whose writers are gone into parts; returns how many of their lines were no rows.

    Any number of processes may heal at once.
    """
    with store_errors(log.files.folder):
        log.files.folder.mkdir(parents=True, exist_ok=True)
        odd = 0
        for journal in dead_journals(log.files.folder):
            odd += to_part(journal, log)
            journal.remove()
        return odd


def to_part(journal: Journal, log: Rows) -> int:
    """Write what a journal holds as a part; returns how many of its lines are no rows, or no longer what was written.

    Such a line is kept in a file beside it and reported, and costs nothing but itself.
    """
    lines = read_lines(journal.read(), log.fault)
    write_part(to_table(lines.rows, log.schema), log)
    if lines.odd:
        aside = set_aside(journal.path, lines.odd)
        message = "%d lines of %s are not rows of its log and are in %s now; the first: %s"
        logger.error(message, len(lines.odd), journal.path.name, aside, lines.odd[0][1])
    return len(lines.odd)


def to_table(rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """The rows of a journal, as they were checked, as a table."""
    timed = [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in rows]
    return pl.DataFrame(timed, schema=schema)


def write_part(table: pl.DataFrame, log: Rows) -> list[Path]:
    """Write rows of journals as parts and return their paths. Writing the same journal twice gives the same parts."""
    return log.files.write(table.unique(log.same, keep="first", maintain_order=True))
