"""Tables that pass through a stage a piece at a time, with progress, whatever they weigh."""

import time
from collections.abc import Iterator

import polars as pl

from pipelines.road.stage import Build, Stage
from pipelines.run.driver import Receipt

PIECE = 4096
PIECE_BYTES = 16 << 20
"""A piece of long texts has fewer rows: what is made of a piece (words, n-grams) takes many times its size."""


def pieces(table: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """A table in its order, in pieces of `PIECE` rows and about `PIECE_BYTES` at most; only some of them are in memory."""
    for batch in table.collect_batches(chunk_size=PIECE, maintain_order=True):
        few = PIECE_BYTES * batch.height // max(1, int(batch.estimated_size()))
        yield from batch.iter_slices(max(1, min(PIECE, few)))


def with_progress(build: Build, stage: Stage, table: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """`pieces`, and tells the build's progress before the first piece and after each: rows done of all."""
    receipt, started = Receipt(total=int(table.select(pl.len()).collect().item())), time.monotonic()
    build.progress(stage.name, receipt)
    for piece in pieces(table):
        yield piece
        receipt.samples += piece.height
        receipt.seconds = time.monotonic() - started
        build.progress(stage.name, receipt)


class Beside:
    """Columns of one table, looked up by the ids of another's pieces: rows stay in order, and no join holds the pieces.

    The table itself, one row an `id`, is held in memory; keep texts of models out of it.
    """

    def __init__(self, table: pl.LazyFrame) -> None:
        self._rows = table.sort("id").collect()

    def join(self, piece: pl.DataFrame, on: str) -> pl.DataFrame:
        """`piece` with the columns of the rows whose `id` is its `on`; null where there is none."""
        if not self._rows.height:
            return piece.join(self._rows, left_on=on, right_on="id", how="left", maintain_order="left")
        keys = self._rows["id"]
        places = keys.search_sorted(piece[on]).clip(0, self._rows.height - 1)
        found = self._rows[places]
        met = (found["id"] == piece[on]).fill_null(value=False)
        beside = found.drop("id")
        return piece.hstack(beside if met.all() else beside.select(pl.when(met).then(pl.all())))
