"""The completions log: every completion a model ever gave us, written once, keyed by what was asked.

Two layers. A *journal* takes each completion as one JSON line the moment it arrives, so that kill -9 loses only what
was in flight. Every now and then the journal becomes an immutable parquet *part* (`pipelines.store.log_writer`). A
journal left by a dead process is healed (a torn last line is cut) and turned into a part by whoever opens the log next.

Caching, resume and incremental builds are one anti-join: which wanted keys are missing?
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import duckdb
import polars as pl

from pipelines.store.failures import FailuresLog
from pipelines.store.journal import read_lines
from pipelines.store.journalled import heal
from pipelines.store.log_writer import LogWriter
from pipelines.store.memory import Memory
from pipelines.store.ordering import aligned, in_order
from pipelines.store.parts import NOWHERE, digests, join, read_places, together
from pipelines.store.row_groups import batches, whole_rows
from pipelines.store.scratch import scratch
from pipelines.store.workspace import replacing
from schemas.completion import COMPLETION, ModelIdentity, Request, completion_fault, completion_key
from schemas.errors import BUG, StepError, StoreError
from schemas.ids import hash_text

WANTED = pl.Schema({"id": pl.String, "prompt_key": pl.String, "index": pl.Int32, "key": pl.String})
"""What a step asks the log for: one row for each sample of each request."""


class CompletionsLog:
    """Read side of the log under `root`. Any number of processes may read and write at once; none needs a lock.

    What counts is decided on keys alone; texts are read last, a piece at a time. So memory depends on `memory`, not on how
    many answers there are, nor on how long they are.
    """

    def __init__(self, root: Path, memory: Memory | None = None) -> None:
        self.root = root
        self.memory = memory or Memory()

    @property
    def failures(self) -> FailuresLog:
        """Requests that got no answer."""
        return FailuresLog(self.root / "failures")

    def heal(self) -> int:
        """Turn journals whose writers are gone into parts, here and beside; returns how many of their lines were no rows."""
        return heal(self.root, COMPLETION, completion_fault) + self.failures.heal()

    def writer(self, identity: ModelIdentity, terms: str = "", run: str = "") -> LogWriter:
        return LogWriter(self.root, identity, terms, run)

    def missing(self, wanted: Path, out: Path) -> int:
        """Write the keys of `wanted` that no completion answers to `out`, each once, with the first id that wants it.

        Columns `id, prompt_key, indexes (list)`, one row a prompt. Returns the number of missing samples.
        """
        with scratch(out.parent) as folder, self._engine(folder) as db:  # not beside the log: a plan only looks
            parts = self._parts()
            known = f"ANTI JOIN (SELECT key FROM read_parquet({_list(parts)})) USING (key)" if parts else ""
            query = f"""
                SELECT min(id) AS id, prompt_key, list(DISTINCT index ORDER BY index) AS indexes
                FROM (SELECT * FROM read_parquet({_quote(wanted)}) {known})
                GROUP BY prompt_key ORDER BY 1, 2
            """
            _copy(db, query, out)
            total = db.execute(f"SELECT coalesce(sum(len(indexes)), 0) FROM read_parquet({_quote(out)})").fetchone()
        assert total is not None
        return int(total[0])

    def answers(self, wanted: Path, rows: Path) -> Iterator[pl.DataFrame]:
        """Join `wanted`, the `rows` that want it (sorted by id), and the log: one row a wanted sample, by id and index.

        The pieces are of bounded size, and all samples of a row are in one. `finish_reason` is null where there is no
        answer. Raises StepError where a column of `rows` is named like one of the answer's (`check_columns`): neither
        may stand for the other.

        Two processes may have asked the same at once; the first answer (by time, then by the hash of its text) is the one
        that counts, so that a replay gives the same rows.
        """
        empty = no_answers(rows)
        with scratch(self.root) as folder:
            pieces = whole_rows(in_order(self._found(wanted, folder), ("id", "index"), folder, self.memory))
            for piece, known in aligned(pieces, chain([pl.read_parquet(rows, n_rows=0)], batches(rows)), "id", "id"):
                yield piece.join(known, on="id", maintain_order="left").select(empty.columns)

    def journalled(self) -> pl.DataFrame:
        """The `key` of every answer in a journal, the living ones' too. Writes nothing: for those who only look."""
        found = []
        for path in self.root.glob("journal-*.jsonl"):
            with suppress(FileNotFoundError):  # it became a part meanwhile
                found += [row["key"] for row in read_lines(path.read_bytes(), completion_fault).rows]
        return pl.DataFrame({"key": found}, schema={"key": pl.String})

    def scan(self) -> pl.LazyFrame:
        """All parts as one lazy table."""
        parts = self._parts()
        return pl.scan_parquet(parts, schema=COMPLETION) if parts else pl.LazyFrame(schema=COMPLETION)

    def join_parts(self, below: int) -> int:
        """Join the parts smaller than `below` bytes, a few at a time, and return how many they were; no answer is lost.

        Only while nobody builds: a reader may have listed the old parts. A kill between the two steps leaves both a joined
        part and the old ones, and the same answer twice is read as one.
        """
        small = [p for p in self._parts() if p.stat().st_size < below]
        joined = 0
        for group in together(small, self.memory.piece):
            if len(group) > 1:
                join(group, self.root / f"part-{hash_text(''.join(p.name for p in group))}.parquet")
                for path in group:
                    path.unlink()
                joined += len(group)
        return joined

    def _parts(self) -> list[Path]:
        return sorted(self.root.glob("part-*.parquet"))

    def _found(self, wanted: Path, folder: Path) -> Iterator[pl.DataFrame]:
        """Every wanted sample with its answer, in the order in which the answers lie in the log; those without one last."""
        parts, places = self._parts(), folder / "places.parquet"
        with self._engine(folder) as db:
            db.execute(f"CREATE VIEW wanted AS SELECT id, prompt_key, index, key FROM read_parquet({_quote(wanted)})")
            if not parts:
                db.execute("CREATE TABLE seen (key VARCHAR, created_at TIMESTAMPTZ, part BIGINT, row BIGINT)")
            else:
                names = pl.DataFrame({"filename": list(map(str, parts)), "part": range(len(parts))}).to_arrow()
                db.register("names", names)
                db.execute(
                    f"""CREATE TABLE seen AS SELECT key, created_at, part, file_row_number AS row
                        FROM read_parquet({_list(parts)}, filename = true, file_row_number = true)
                        JOIN names USING (filename) SEMI JOIN wanted USING (key)"""
                )
            # Only answers of the same microsecond are ordered by what they say.
            tied = "SELECT key, created_at FROM seen GROUP BY ALL HAVING count(*) > 1"
            _copy(db, f"SELECT part, row FROM seen SEMI JOIN ({tied}) USING (key, created_at) ORDER BY ALL", places)
            db.register("digests", digests(parts, places).to_arrow())
            _copy(
                db,
                f"""WITH first AS (
                    SELECT seen.* FROM seen LEFT JOIN digests USING (part, row)
                    QUALIFY row_number() OVER (PARTITION BY key ORDER BY created_at, digest, part, row) = 1
                ) SELECT wanted.*, coalesce(part, {NOWHERE}) AS part, coalesce(row, 0) AS row
                FROM wanted LEFT JOIN first USING (key) ORDER BY part, row, id, index""",
                places,
            )
        for rows in read_places(parts, places, tuple(ANSWER)):
            yield rows.drop("key", "part", "row")

    @contextmanager
    def _engine(self, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB within the budget, with `folder` for what does not fit into it."""
        with duckdb.connect() as db:
            db.execute(f"SET memory_limit = '{self.memory.engine}B'")
            db.execute(f"SET threads = {self.memory.threads}")
            db.execute(f"SET temp_directory = {_quote(folder / 'duckdb')}")
            db.execute("SET enable_progress_bar = false")
            try:
                yield db
            except duckdb.OutOfMemoryException as error:
                more = max(1, self.memory.bytes >> 29)
                raise StoreError(
                    f"The keys in {self.root} need more memory than the {self.memory.engine >> 20} MB that DuckDB has, "
                    f"half of the budget. Raise it, for example with --set driver.memory={more}GB."
                ) from error
            except duckdb.Error as error:
                damaged = next(filter(_is_damaged, self._parts()), None)
                if damaged is None:
                    raise
                raise StoreError(
                    f"{damaged} is damaged, and it held answers. Bring it back from a copy; or move it out of the log and "
                    "run the same command again: what it held is asked anew."
                ) from error


def wanted_rows(request: Request, prompt: str) -> list[tuple[str, str, int, str]]:
    """The rows of WANTED for one request."""
    return [(request.id, prompt, i, completion_key(prompt, i)) for i in request.indexes]


ANSWER = pl.Schema(
    {
        name: COMPLETION[name]
        for name in (
            "text",
            "reasoning",
            "finish_reason",
            "prompt_tokens",
            "completion_tokens",
            "logprobs",
            "error",
        )
    }
)
"""What is known of an answer beside what was asked."""


ANSWER_COLUMNS = frozenset(ANSWER) | {"key", "prompt_key", "index"}
"""What `answers` puts beside the columns of the rows; a row has none of these."""


def check_columns(names: Iterable[str]) -> None:
    """Raise StepError for a column of rows that their answers have too: one would be read for the other."""
    clash = sorted(ANSWER_COLUMNS.intersection(names))
    if clash:
        raise StepError(
            f"The rows that a model is asked about have a column '{clash[0]}', and so have its answers. {BUG}"
        )


def no_answers(rows: Path) -> pl.DataFrame:
    """No answer at all, with the columns that the answers to `rows` have."""
    own = pl.read_parquet_schema(rows)
    check_columns(own)
    return pl.DataFrame(schema={**own, "prompt_key": pl.String(), "index": pl.Int32(), **ANSWER})


def _is_damaged(part: Path) -> bool:
    """Whether a part of the log cannot be read, or is none."""
    try:
        pl.read_parquet(part, columns=list(COMPLETION), glob=False)
    except (pl.exceptions.PolarsError, OSError):
        return True
    return False


def _quote(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _list(paths: Iterable[Path]) -> str:
    return f"[{', '.join(map(_quote, paths))}]"


def _copy(db: duckdb.DuckDBPyConnection, query: str, out: Path) -> None:
    with replacing(out) as temporary:
        db.execute(f"COPY ({query}) TO {_quote(temporary)} (FORMAT parquet, COMPRESSION zstd)")
