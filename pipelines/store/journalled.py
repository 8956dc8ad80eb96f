"""Logs that are written through journals: rows into this process's journal, journals into immutable parquet parts."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.store.joining import join_small
from pipelines.store.journal import Journal, dead_journals
from pipelines.store.journal_lines import Fault, read_lines, set_aside, to_line
from pipelines.store.part_folder import PartFolder
from pipelines.store.workspace import store_errors

FLUSH_ROWS = 4096
MOST_ROWS = 4 * FLUSH_ROWS
"""Of a journal that is full while the one before is not a part yet: the next row waits for it."""
FLUSH_SECONDS = 30.0
JOINED = 64
"""Small parts of a model that are joined at once, beside a build."""
AT_ONCE = 128
"""Rows that are put into a table without a pause."""

logger = logging.getLogger(__name__)


class Rows(NamedTuple):
    """The rows of a log: where their parts lie, their columns, what is wrong with a line that is none, and the columns in
    which a row that was written twice is the same."""

    files: PartFolder
    schema: pl.Schema
    fault: Fault
    same: tuple[str, ...] = ("key", "created_at")


class Journalled:
    """Write side of a log. `finish` when done, whatever happened.

    A full journal becomes a part in a thread while the next one is filled: writing a part takes up to a second, in which an
    event loop would ask nothing and hear nothing. One that falls behind is waited for.
    """

    def __init__(self, log: Rows) -> None:
        self._log = log
        self._rows = 0
        self._since = time.monotonic()
        self._thread = ThreadPoolExecutor(1, f"parts of {log.files.folder.name}")
        self._writing: Future[None] | None = None
        self.journal: Journal | None = None

    def open(self) -> None:
        """Make the journal; `append` does it where nobody did."""
        self.journal, self._rows = Journal.new(self._log.files.folder), 0

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows. When this returns, kill -9 cannot lose them. Raises StoreError also for a part before that failed."""
        if not rows:
            return
        if self.journal is None:
            self.open()
        assert self.journal is not None
        self.journal.append(b"".join(map(to_line, rows)))
        self._rows += len(rows)
        if self._rows >= FLUSH_ROWS or time.monotonic() - self._since > FLUSH_SECONDS:
            self._turn_over(self.journal)

    def _turn_over(self, full: Journal) -> None:
        """Begin another journal, and let the thread make a part of this one."""
        if self._writing is not None and not self._writing.done() and self._rows < MOST_ROWS:
            return
        self._wait()
        self.open()
        self._since = time.monotonic()
        self._writing = self._thread.submit(_to_part_and_away, full, self._log)

    def _wait(self) -> None:
        """Wait until the journal before is a part. Raises what kept it from that."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def flush(self) -> None:
        """Turn everything into parts; they are on the disk when this returns."""
        self._wait()
        if self.journal is None:
            return
        if self._rows:
            to_part(self.journal, self._log)
            self.close()
            self.open()
        self._since = time.monotonic()

    def finish(self) -> None:
        """Turn everything into parts and let go of the journal. Where that fails, its rows stay in it for whoever opens the
        log next, in this process too."""
        try:
            self.flush()
        except BaseException:
            if self.journal is not None:
                self.journal.give_up()
                self.journal = None
            raise
        finally:
            self._thread.shutdown(wait=False)
        self.close()
        join_small(self._log.files, self._log.same, least=JOINED, most=1)

    def close(self) -> None:
        """Remove the journal; its rows are in a part by now, or there are none."""
        if self.journal is not None:
            journal, self.journal = self.journal, None
            journal.remove()


def _to_part_and_away(journal: Journal, log: Rows) -> None:
    """Make a part of a journal that nobody writes to any more; where that fails, whoever heals next does it."""
    try:
        to_part(journal, log)
    except BaseException:
        journal.give_up()
        raise
    journal.remove()
    join_small(log.files, log.same, least=JOINED, most=1)


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
    """The rows of a journal, as they were checked, as a table; a few at a time, between which other threads have a turn."""
    pieces = [pl.DataFrame(schema=schema)]
    for at in range(0, len(rows), AT_ONCE):
        timed = [{**r, "created_at": datetime.fromisoformat(r["created_at"])} for r in rows[at : at + AT_ONCE]]
        pieces.append(pl.DataFrame(timed, schema=schema))
    return pl.concat(pieces, rechunk=True)


def write_part(table: pl.DataFrame, log: Rows) -> list[Path]:
    """Write rows of journals as parts and return their paths. Writing the same journal twice gives the same parts."""
    return log.files.write(table.unique(log.same, keep="first", maintain_order=True))
