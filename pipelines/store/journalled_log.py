"""The read side of logs that are written through journals: what is healed, scanned and joined in the same way."""

from pathlib import Path

import polars as pl

from pipelines.store.journal import Fault, read_lines
from pipelines.store.journalled import heal, to_table, write_part
from pipelines.store.keyed_log import KeyedLog
from pipelines.store.memory import Memory
from pipelines.store.parts import together
from pipelines.store.workspace import store_errors


class JournalledLog(KeyedLog):
    """The log in `folder`, whose rows (`schema`) have a `key` and a time, `created_at`."""

    def __init__(self, folder: Path, schema: pl.Schema, fault: Fault) -> None:
        super().__init__(folder)
        self.schema = schema
        self.fault = fault

    def heal(self) -> int:
        """Turn journals whose writers are gone into parts; returns how many of their lines were no rows."""
        return heal(self.folder, self.schema, self.fault)

    def scan(self) -> pl.LazyFrame:
        """All parts as one lazy table."""
        parts = self.parts()
        return pl.scan_parquet(parts, schema=self.schema) if parts else pl.LazyFrame(schema=self.schema)

    def journalled(self) -> pl.DataFrame:
        """The rows in journals, those of living writers too. Writes nothing: for those who only look."""
        rows = []
        for path in sorted(self.folder.glob("journal-*.jsonl")):
            try:
                rows += read_lines(path.read_bytes(), self.fault).rows
            except FileNotFoundError:  # it became a part meanwhile
                continue
        return to_table(rows, self.schema)

    def join_parts(self, below: int) -> int:
        """Join the parts smaller than `below` bytes, a few at a time, and return how many they were; no row is lost.

        Only while nobody builds: a reader may have listed the old parts.
        """
        small, joined = [p for p in self.parts() if p.stat().st_size < below], 0
        for group in together(small, Memory().piece):
            if len(group) < 2:
                continue
            with store_errors(self.folder):
                whole = write_part(pl.read_parquet(group), self.folder)
                for path in group:
                    if path != whole:  # which is among them where a kill came between the two steps before
                        path.unlink()
            joined += len(group)
        return joined
