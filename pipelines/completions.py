"""The completions log: every completion a model ever gave us, written once, keyed by what was asked.

Two layers. A *journal* takes each completion as one JSON line the moment it arrives, so that kill -9 loses only what
was in flight. Every now and then the journal becomes an immutable parquet *part* (`pipelines.log_writer`). A journal left
by a dead process is healed (a torn last line is cut) and turned into a part by whoever opens the log next.

Caching, resume and incremental builds are one anti-join: which wanted keys are missing?
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import duckdb
import polars as pl

from pipelines.journal import dead_journals, read_lines, set_aside
from pipelines.log_writer import LogWriter, write_part
from pipelines.workspace import replacing, store_errors
from schemas.completion import COMPLETION, ModelIdentity, Request, completion_fault, completion_key
from schemas.errors import StageError
from schemas.ids import hash_text

logger = logging.getLogger(__name__)

WANTED = pl.Schema({"id": pl.String, "prompt_key": pl.String, "index": pl.Int32, "key": pl.String})
"""What a stage wants to know: one row for each sample of each request."""


class CompletionsLog:
    """Read side of the log under `root`. Any number of processes may read and write at once; none needs a lock."""

    def __init__(self, root: Path, memory_limit: str = "768MB") -> None:
        self.root = root
        self.memory_limit = memory_limit

    def heal(self) -> int:
        """Turn journals whose writers are gone into parts; returns how many of their lines were no rows.

        Such a line is kept in a file beside them and said, and costs nothing but itself. Any number of processes may
        heal at once.
        """
        with store_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            odd = 0
            for journal in dead_journals(self.root):
                lines = read_lines(journal.read(), completion_fault)
                write_part(lines.rows, self.root)
                if lines.odd:
                    odd += len(lines.odd)
                    aside = set_aside(journal.path, lines.odd)
                    told = "%d lines of %s are no answers and stand in %s now; the first: %s"
                    logger.error(told, len(lines.odd), journal.path.name, aside, lines.odd[0][1])
                journal.remove()
            return odd

    def writer(self, identity: ModelIdentity) -> LogWriter:
        return LogWriter(self.root, identity)

    def missing(self, wanted: Path, out: Path) -> int:
        """Write the keys of `wanted` that no completion answers to `out`, each once, with the first id that wants it.

        Columns `id, prompt_key, indexes (list)`, one row a prompt. Returns the number of missing samples.
        """
        with self._connect() as db:
            known = f"ANTI JOIN {self._relation('key')} USING (key)" if self._parts() else ""
            query = f"""
                SELECT min(id) AS id, prompt_key, list(DISTINCT index ORDER BY index) AS indexes
                FROM (SELECT * FROM read_parquet({_quote(wanted)}) {known})
                GROUP BY prompt_key ORDER BY 1, 2
            """
            _copy(db, query, out)
            total = db.execute(f"SELECT coalesce(sum(len(indexes)), 0) FROM read_parquet({_quote(out)})").fetchone()
        assert total is not None
        return int(total[0])

    def answers(self, wanted: Path, rows: Path, out: Path) -> None:
        """Join `wanted`, the `rows` that want it, and the log: one row a wanted sample, by id and index.

        `finish_reason` is null where there is no answer. Raises StageError where a column of `rows` is named like one
        of the answer's (`check_columns`): neither may stand for the other.

        Two processes may have asked the same at once; the first answer (by time, then text) is the one that counts, so
        that a replay gives the same rows.
        """
        check_columns(pl.read_parquet_schema(rows))
        columns = "key, text, reasoning, finish_reason, prompt_tokens, completion_tokens, logprobs, error"
        with self._connect() as db:
            if self._parts():
                found = f"""SELECT {columns} FROM {self._relation("*")} SEMI JOIN wanted USING (key)
                    QUALIFY row_number() OVER (PARTITION BY key ORDER BY created_at, text) = 1"""
            else:
                found = f"SELECT {', '.join(f'NULL::{t} AS {c}' for c, t in _ANSWER_TYPES.items())} WHERE false"
            query = f"""
                WITH wanted AS (SELECT * FROM read_parquet({_quote(wanted)})), found AS ({found}),
                    input AS (SELECT * FROM read_parquet({_quote(rows)}))
                SELECT input.*, wanted.prompt_key, wanted.index, found.* EXCLUDE (key)
                FROM wanted JOIN input USING (id) LEFT JOIN found USING (key) ORDER BY input.id, wanted.index
            """
            _copy(db, query, out)

    def scan(self) -> pl.LazyFrame:
        """All parts as one lazy table."""
        parts = self._parts()
        return pl.scan_parquet(parts, schema=COMPLETION) if parts else pl.LazyFrame(schema=COMPLETION)

    def join_parts(self, below: int) -> int:
        """Join the parts smaller than `below` bytes into one and return how many they were; no answer is lost.

        Only while nobody builds: a reader may have listed the old parts. A kill between the two steps leaves both the
        joined part and the old ones, and the same answer twice is read as one.
        """
        small = [p for p in self._parts() if p.stat().st_size < below]
        if len(small) < 2:
            return 0
        joined = self.root / f"part-{hash_text(''.join(p.name for p in small))}.parquet"
        files = ", ".join(_quote(p) for p in small)
        with self._connect() as db:
            first = "row_number() OVER (PARTITION BY key ORDER BY created_at, text) = 1"
            _copy(db, f"SELECT * FROM read_parquet([{files}]) QUALIFY {first} ORDER BY key", joined)
        for path in small:
            path.unlink()
        return len(small)

    def _parts(self) -> list[Path]:
        return sorted(self.root.glob("part-*.parquet"))

    def _relation(self, columns: str) -> str:
        return f"(SELECT {columns} FROM read_parquet({_quote(self.root / 'part-*.parquet')}))"

    def _connect(self) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect()
        db.execute(f"SET memory_limit = '{self.memory_limit}'")
        db.execute(f"SET temp_directory = {_quote(self.root / '.spill')}")
        db.execute("SET enable_progress_bar = false")
        return db


def wanted_rows(request: Request, prompt: str) -> list[tuple[str, str, int, str]]:
    """The rows of WANTED for one request."""
    return [(request.id, prompt, i, completion_key(prompt, i)) for i in range(request.n)]


_ANSWER_TYPES = {
    "key": "VARCHAR",
    "text": "VARCHAR",
    "reasoning": "VARCHAR",
    "finish_reason": "VARCHAR",
    "prompt_tokens": "INTEGER",
    "completion_tokens": "INTEGER",
    "logprobs": "FLOAT[]",
    "error": "VARCHAR",
}

ANSWER_COLUMNS = frozenset(_ANSWER_TYPES) | {"prompt_key", "index"}
"""What `answers` puts beside the columns of the rows; a row has none of these."""


def check_columns(names: Iterable[str]) -> None:
    """Raise StageError for a column of rows that their answers have too: one would be read for the other."""
    clash = sorted(ANSWER_COLUMNS.intersection(names))
    if clash:
        raise StageError(
            f"The rows that a model is asked about have a column '{clash[0]}', and so have its answers. "
            "This is a defect of the stage; please report it."
        )


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _copy(db: duckdb.DuckDBPyConnection, query: str, out: Path) -> None:
    with replacing(out) as temporary:
        db.execute(f"COPY ({query}) TO {_quote(temporary)} (FORMAT parquet, COMPRESSION zstd)")
