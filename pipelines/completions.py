"""The completions log: every completion a model ever gave us, written once, keyed by what was asked.

Two layers. A *journal* takes each completion as one JSON line the moment it arrives, so that kill -9 loses only what
was in flight. Every `FLUSH_ROWS` rows or `FLUSH_SECONDS` the journal becomes an immutable parquet *part*. A journal
left by a dead process is healed (a torn last line is cut) and turned into a part by whoever opens the log next.

Caching, resume and incremental builds are one anti-join: which wanted keys are missing?
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import duckdb
import polars as pl

from pipelines.workspace import replacing, store_errors, write_table
from schemas.completion import COMPLETION, Completion, ModelIdentity, Request, completion_key
from schemas.errors import StageError
from schemas.ids import canonical_json, hash_text

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0

WANTED = pl.Schema({"id": pl.String, "prompt_key": pl.String, "index": pl.Int32, "key": pl.String})
"""What a stage wants to know: one row for each sample of each request."""


class CompletionsLog:
    """Read side of the log under `root`. Any number of processes may read and write at once; none needs a lock."""

    def __init__(self, root: Path, memory_limit: str = "768MB") -> None:
        self.root = root
        self.memory_limit = memory_limit

    def heal(self) -> None:
        """Turn journals whose writers are gone into parts."""
        with store_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.root.glob("journal-*.jsonl")):
                with path.open("r+b") as file:
                    if not _lock(file):
                        continue
                    _write_part(_read_journal(path), self.root)
                    path.unlink()

    def writer(self, identity: ModelIdentity) -> "LogWriter":
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


class LogWriter:
    """Write side: a journal of this process, turned into parts as it grows. Use it as a context manager."""

    def __init__(self, root: Path, identity: ModelIdentity) -> None:
        self._root = root
        self._identity = identity
        self._rows = 0
        self._since = time.monotonic()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._close()

    def append(self, request: Request, prompt: str, completions: Iterable[Completion]) -> None:
        """Record the answers of one request. When this returns, kill -9 cannot lose them."""
        assert self._file is not None
        lines = [self._line(request, prompt, completion) for completion in completions]
        with store_errors(self._root):
            _write_all(self._file.fileno(), "".join(lines).encode())
        self._rows += len(lines)
        if self._rows >= FLUSH_ROWS or time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Turn the journal into a part."""
        if self._file is None:
            return
        if self._rows:
            path = Path(self._file.name)
            _write_part(_read_journal(path), self._root)
            self._close()
            self._open()
        self._since = time.monotonic()

    def _line(self, request: Request, prompt: str, completion: Completion) -> str:
        row = {
            "key": completion_key(prompt, completion.index),
            "prompt_key": prompt,
            "model": self._identity.model,
            "revision": self._identity.revision,
            "sampling": canonical_json(request.sampling.model_dump(mode="json")),
            **{name: _well_formed(value) for name, value in asdict(completion).items()},
            "created_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        return json.dumps(row, ensure_ascii=True) + "\n"

    def _open(self) -> None:
        self._rows = 0
        with store_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            self._file = (self._root / f"journal-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl").open("ab", buffering=0)
            _lock(self._file)

    def _close(self) -> None:
        """Remove the journal; its rows are in a part by now, or there are none."""
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()
            self._file = None


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


def _lock(file: IO[bytes]) -> bool:
    """Mark a journal as owned. The kernel lets go when the owner dies, so a healer never takes a living journal."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _well_formed(value: Any) -> Any:
    """A model can emit half of a surrogate pair; a table of UTF-8 cannot hold it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _write_all(descriptor: int, data: bytes) -> None:
    """`os.write` may take only a part of the data before a disk is full."""
    while data:
        data = data[os.write(descriptor, data) :]


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a line torn by a crash or a full disk ends it."""
    rows = []
    with path.open("rb") as file:
        for line in file:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows


def _write_part(rows: Sequence[dict[str, Any]], root: Path) -> None:
    """Write rows as an immutable part, named by its keys: writing the same journal twice gives one part."""
    if not rows:
        return
    table = pl.DataFrame(
        [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in rows], schema=COMPLETION
    ).unique("key", keep="first", maintain_order=True)
    name = hash_text("".join(sorted(table["key"])) + rows[0]["created_at"])
    write_table(table.sort("key"), root / f"part-{name}.parquet")


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _copy(db: duckdb.DuckDBPyConnection, query: str, out: Path) -> None:
    with replacing(out) as temporary:
        db.execute(f"COPY ({query}) TO {_quote(temporary)} (FORMAT parquet, COMPRESSION zstd)")
