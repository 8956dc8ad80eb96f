"""What a step wants of a model, bucket by bucket: known by keys, and kept in files."""

import uuid
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from pipelines.store.completions import WANTED, wanted_rows
from pipelines.store.row_groups import TableWriter
from pipelines.store.table_files import read_table
from pipelines.store.workspace import store_errors
from schemas.completion import Request

REQUESTS = pl.Schema({"id": pl.String(), "row": pl.String(), "turn": pl.Int32(), "of": pl.Int32()})
"""A request: its name within the bucket, the row that it is about, and the turn."""


ANSWERS = pl.Schema(
    {
        "id": pl.String(),
        "model": pl.String(),
        "turn": pl.Int32(),
        "of": pl.Int32(),
        "index": pl.Int32(),
        "text": pl.String(),
        "reasoning": pl.String(),
        "finish_reason": pl.String(),
        "tokens": pl.Int32(),
        "error": pl.String(),
    }
)
"""What a body knows of an answer (`schemas.step.Tables`)."""

ASKED = pl.Schema(
    {
        **{name: ANSWERS[name] for name in ("id", "model", "turn", "of", "index")},
        "key": pl.String(),
        "prompt_key": pl.String(),
    }
)
"""A sample that was wanted: of which row (`id`) and model, and the keys under which the logs hold prompt and reply."""


class Asked:
    """What one bucket wants of one model: its requests, and the keys of their samples.

    They lie in files below `folder`, for there may be a hundred million: in memory each took 200 bytes, and 450 where a
    row wants one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[tuple[Path, Path]] = []
        self.requests = self.samples = 0

    def add(self, found: Iterable[tuple[Request, str]], turn: int) -> bool:
        """Note the requests of a turn and the keys of their prompts; whether there are any."""
        requests: list[tuple[str, str, int, int]] = []
        wanted: list[tuple[str, str, int, str]] = []
        for request, key in found:
            # Named in order, so that answers come back in the order in which they were asked for.
            name = f"{self.requests + len(requests):012d}"
            requests.append((name, request.id, turn, request.of))
            wanted += [(name, prompt, index, sample) for _, prompt, index, sample in wanted_rows(request, key)]
        if requests:
            stem = uuid.uuid4().hex
            files = self._folder / f"requests-{stem}.parquet", self._folder / f"wanted-{stem}.parquet"
            made = (
                pl.DataFrame(requests, schema=REQUESTS, orient="row"),
                pl.DataFrame(wanted, schema=WANTED, orient="row"),
            )
            for path, rows in zip(files, made, strict=True):
                with store_errors(path), TableWriter(path, rows.schema) as table:
                    table.add(rows)
            self._files.append(files)
        self.requests, self.samples = self.requests + len(requests), self.samples + len(wanted)
        return bool(requests)

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The requests (REQUESTS) and the samples (WANTED) of all turns."""
        requests, wanted = [pl.DataFrame(schema=REQUESTS)], [pl.DataFrame(schema=WANTED)]
        for one, other in self._files:
            requests.append(read_table(one))
            wanted.append(read_table(other))
        return pl.concat(requests), pl.concat(wanted)
