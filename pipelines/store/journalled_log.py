"""The read side of logs that are written through journals: what is healed, scanned and joined in the same way."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from pipelines.store.joining import join_small, remove_replaced
from pipelines.store.journal_lines import Fault, read_lines
from pipelines.store.journalled import Rows, heal, to_table
from pipelines.store.part_folder import PartFolder
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import store_errors


class JournalledLog:
    """The log `of` in `folder`, whose rows (`schema`) have a `key` and a time, `created_at`.

    Rows that are equal in the columns `same` are one row; `by` are the columns that say of which model a row is.
    """

    def __init__(
        self,
        folder: Path,
        of: str,
        schema: pl.Schema,
        fault: Fault,
        *,
        by: tuple[str, ...] = (),
        same: tuple[str, ...] = ("key", "created_at"),
    ) -> None:
        self.folder = folder
        self.schema = schema
        self.files = PartFolder(folder, of, lambda found: found == schema, by=by, sort=("key", "created_at"))
        self.rows = Rows(self.files, schema, fault, same)

    def heal(self) -> int:
        """Turn journals whose writers are gone into parts; returns how many of their lines were no rows."""
        return heal(self.rows)

    def scan(self, keys: Iterable[str] | None = None) -> pl.LazyFrame:
        """The rows of all parts as one lazy table; with `keys`, those alone, and no more of the parts is proven."""
        wanted = None if keys is None else list(keys)
        parts = self.files.parts() if wanted is None else self.files.parts_with(wanted)
        found = scan_table(parts) if parts else pl.LazyFrame(schema=self.schema)
        return found if wanted is None else found.filter(pl.col("key").is_in(wanted))

    def journalled(self) -> pl.DataFrame:
        """The rows in journals, those of living writers too. Writes nothing: for those who only look."""
        rows = []
        for path in sorted(self.folder.glob("journal-*.jsonl")):
            try:
                rows += read_lines(path.read_bytes(), self.rows.fault).rows
            except FileNotFoundError:  # it became a part meanwhile
                continue
        return to_table(rows, self.schema)

    def join_parts(self, below: int) -> int:
        """Join the parts smaller than `below` bytes and return how many they were; no row is lost.

        Only while nobody builds: a reader may have listed the old parts, which are removed.
        """
        with store_errors(self.folder):
            remove_replaced(self.files)
            joined = join_small(self.files, self.rows.same, below)
            remove_replaced(self.files)
        return joined
