"""The completions log: every completion a model ever gave us, written once, keyed by what was asked.

Two layers. A *journal* takes each completion as one JSON line the moment it arrives, so that kill -9 loses only what
was in flight. Every now and then the journal becomes an immutable parquet *part* (`pipelines.store.log_writer`). A
journal left by a dead process is healed (a torn last line is cut) and turned into a part by whoever opens the log next.

Caching, resume and incremental builds are one anti-join: which wanted keys are missing?
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from pipelines.store.failures import FailuresLog
from pipelines.store.journalled_log import JournalledLog
from pipelines.store.key_database import copy_to, key_database
from pipelines.store.log_writer import LogWriter
from pipelines.store.memory import Memory
from pipelines.store.ordering import aligned, in_order
from pipelines.store.part_keys import Places, Wanted
from pipelines.store.parts import DIGESTS, NOWHERE, TIMES, digests, read_places
from pipelines.store.row_groups import batches, even, whole_rows
from pipelines.store.scratch import scratch
from pipelines.store.table_files import as_sql, table_schema
from pipelines.store.workspace import write_pieces
from schemas.completion import COMPLETION, ModelIdentity, Request, completion_fault, completion_key
from schemas.errors import BUG, StepError

WANTED = pl.Schema({"id": pl.String, "prompt_key": pl.String, "index": pl.Int32, "key": pl.String})
"""What a step asks the log for: one row for each sample of each request."""

_KEY_BYTES = 256
"""What a key takes in memory that is looked for: as a text, as numbers, and where it was found."""
PLACES = pl.Schema({"key": pl.String, "row": pl.Int64, "part": pl.Int64})


class CompletionsLog(JournalledLog):
    """Read side of the log under `root`. Any number of processes may read and write at once; none needs a lock.

    What counts is decided on keys alone; texts are read last, a piece at a time. So memory depends on `memory`, not on how
    many answers there are, nor on how long they are.
    """

    def __init__(self, root: Path, memory: Memory | None = None) -> None:
        super().__init__(
            root,
            "completions",
            COMPLETION,
            completion_fault,
            by=("model", "revision"),
            same=("key", "created_at", "text"),
        )
        self.memory = memory or Memory()
        self._looked_up: list[Path] = []
        self._gone = False

    @property
    def failures(self) -> FailuresLog:
        """Requests that got no answer."""
        return FailuresLog(self.folder / "failures")

    def heal(self) -> int:
        """Turn journals whose writers are gone into parts, here and beside; returns how many of their lines were no rows."""
        return super().heal() + self.failures.heal()

    def writer(self, identity: ModelIdentity, terms: str = "", run: str = "") -> LogWriter:
        return LogWriter(self.rows, self.failures.rows, identity, terms, run)

    def missing(self, wanted: Path, out: Path) -> int:
        """Write the keys of `wanted` that no completion answers to `out`, each once, with the first id that wants it.

        Columns `id, prompt_key, indexes (list)`, one row a prompt. Returns the number of missing samples. An answer that is
        not as it was written is none: the answers to what is wanted are proven here, before anybody counts on them.
        """
        with scratch(out.parent) as folder, self._engine(folder) as db:  # not beside the log: a plan only looks
            while not self._look_up(db, wanted, folder):
                pass
            query = """
                SELECT min(id) AS id, prompt_key, list(DISTINCT index ORDER BY index) AS indexes
                FROM (SELECT * FROM wanted ANTI JOIN seen USING (key))
                GROUP BY prompt_key ORDER BY 1, 2
            """
            copy_to(db, query, out)
            total = db.execute(f"SELECT coalesce(sum(len(indexes)), 0) FROM read_parquet({as_sql([out])})").fetchone()
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
        with scratch(self.folder) as folder:
            pieces = whole_rows(in_order(self._found(wanted, folder), ("id", "index"), folder, self.memory))
            for piece, known in aligned(
                pieces, chain([pl.DataFrame(schema=table_schema(rows))], batches(rows)), "id", "id"
            ):
                yield piece.join(known, on="id", maintain_order="left").select(empty.columns)

    def _look_up(self, db: duckdb.DuckDBPyConnection, wanted: Path, folder: Path) -> bool:
        """Make the views `wanted` and `seen`, its answers by their places in the log: `key, part, row`.

        Of a part only its keys are read, and what is found is proven. False where some of it is not as it was written; its
        parts are set aside, and others hold the rest.
        """
        self._looked_up, self._gone, found = self.files.parts(()), False, folder / "found.parquet"
        write_pieces(self._places(wanted), PLACES, found)
        db.execute(f"CREATE OR REPLACE VIEW wanted AS SELECT * FROM read_parquet({as_sql([wanted])})")
        db.execute(f"CREATE OR REPLACE VIEW seen AS SELECT DISTINCT * FROM read_parquet({as_sql([found])})")
        return not self._gone

    def _places(self, wanted: Path) -> Iterator[pl.DataFrame]:
        """Where the parts that were looked up hold what is wanted: `key, row, part`."""
        for keys in even((rows.select("key") for rows in batches(wanted)), self.memory.piece // _KEY_BYTES):
            sought = Wanted(keys["key"])
            held, rows = [(-1, Places(*np.zeros((2, 0), np.int64)))], 0
            for number, path in enumerate(self._looked_up):
                places = self.files.rows_with(path, sought, _READ)
                if places is None:
                    self._gone = True
                elif len(places.rows):
                    held.append((number, places))
                    rows += len(places.rows)
                if rows >= _PLACES:
                    yield _table(held, sought)
                    held, rows = held[:1], 0
            yield _table(held, sought)

    def _found(self, wanted: Path, folder: Path) -> Iterator[pl.DataFrame]:
        """Every wanted sample with its answer, in the order in which the answers lie in the log; those without one last."""
        places, times, hashes = (folder / f"{name}.parquet" for name in ("places", "times", "digests"))
        with self._engine(folder) as db:
            before, lost = self._looked_up, self.files.lost
            proven, parts = self._look_up(db, wanted, folder), self._looked_up
            if not proven or self.files.lost > lost or not set(before).issubset(parts):
                raise self.files.lacking()  # what is gone would pass for what nobody answered
            # Times are read only of what was answered more than once, and texts only of answers of the same microsecond.
            rivals = "SELECT key FROM seen GROUP BY key HAVING count(*) > 1"
            copy_to(db, f"SELECT part, row FROM seen SEMI JOIN ({rivals}) USING (key) ORDER BY ALL", places)
            write_pieces(read_places(parts, places, ("created_at",)), TIMES, times)
            db.execute(f"CREATE VIEW times AS SELECT * FROM read_parquet({as_sql([times])})")
            tied = "SELECT key, created_at FROM seen JOIN times USING (part, row) GROUP BY ALL HAVING count(*) > 1"
            copy_to(
                db,
                f"""SELECT part, row FROM seen JOIN times USING (part, row)
                SEMI JOIN ({tied}) USING (key, created_at) ORDER BY ALL""",
                places,
            )
            write_pieces(digests(parts, places), DIGESTS, hashes)
            db.execute(f"CREATE VIEW digests AS SELECT * FROM read_parquet({as_sql([hashes])})")
            copy_to(
                db,
                f"""WITH first AS (
                    SELECT seen.* FROM seen LEFT JOIN times USING (part, row) LEFT JOIN digests USING (part, row)
                    QUALIFY row_number() OVER (PARTITION BY key ORDER BY created_at, digest, part, row) = 1
                ) SELECT wanted.*, coalesce(part, {NOWHERE}) AS part, coalesce(row, 0) AS row
                FROM wanted LEFT JOIN first USING (key) ORDER BY part, row, id, index""",
                places,
            )
        for rows in read_places(parts, places, tuple(ANSWER)):
            yield rows.drop("key", "part", "row")

    @contextmanager
    def _engine(self, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB, whose failure is a sentence where a part that it read has changed meanwhile."""
        with key_database(self.folder, self.memory, folder) as db:
            try:
                yield db
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                if not self.files.changed(self._looked_up):
                    raise
                raise self.files.lacking() from error


def _table(held: Sequence[tuple[int, Places]], sought: Wanted) -> pl.DataFrame:
    """Rows of PLACES: what each part holds of what is sought."""
    rows, keys = (np.concatenate(all_of) for all_of in zip(*(places for _, places in held), strict=True))
    part = np.repeat([number for number, _ in held], [len(places.rows) for _, places in held])
    return pl.DataFrame({"key": sought.keys.gather(keys), "row": rows, "part": part}, schema=PLACES)


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


_READ = ("created_at", *ANSWER)
"""The columns of parts that are read, and proven; the keys have a proof of their own."""

_PLACES = 1 << 16
"""Places that are written at once."""

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
    own = table_schema(rows)
    check_columns(own)
    return pl.DataFrame(schema={**own, "prompt_key": pl.String(), "index": pl.Int32(), **ANSWER})
