"""Write side of the completions log: a journal of this process, turned into immutable parts as it grows."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from pipelines.journal import Journal, read_lines, to_line
from pipelines.workspace import write_table
from schemas.completion import COMPLETION, Completion, ModelIdentity, Request, completion_fault, completion_key
from schemas.ids import canonical_json, hash_text

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0


class LogWriter:
    """Use it as a context manager."""

    def __init__(self, root: Path, identity: ModelIdentity) -> None:
        self._root = root
        self._identity = identity
        self._rows = 0
        self._since = time.monotonic()
        self._journal: Journal | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._close()

    def append(self, request: Request, prompt: str, completions: Iterable[Completion]) -> list[Completion]:
        """Record the answers of one request and return them as recorded. When this returns, kill -9 cannot lose them.

        An answer that the log cannot hold costs itself only: it is recorded as an error that says why.
        """
        assert self._journal is not None
        recorded = [self._fitting(request, prompt, completion) for completion in completions]
        self._journal.append(b"".join(to_line(self._row(request, prompt, completion)) for completion in recorded))
        self._rows += len(recorded)
        if self._rows >= FLUSH_ROWS or time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()
        return recorded

    def flush(self) -> None:
        """Turn the journal into a part."""
        if self._journal is None:
            return
        if self._rows:
            write_part(read_lines(self._journal.read(), completion_fault).rows, self._root)
            self._close()
            self._open()
        self._since = time.monotonic()

    def _fitting(self, request: Request, prompt: str, completion: Completion) -> Completion:
        wrong = completion_fault(self._row(request, prompt, completion))
        if wrong is None:
            return completion
        return Completion(completion.index, "", "error", error=f"the reply is not one that the log can hold: {wrong}")

    def _row(self, request: Request, prompt: str, completion: Completion) -> dict[str, Any]:
        logprobs = None if completion.logprobs is None else list(completion.logprobs)
        told = asdict(replace(completion, logprobs=None)) | {"logprobs": logprobs}
        return {
            "key": completion_key(prompt, completion.index),
            "prompt_key": prompt,
            "model": self._identity.model,
            "revision": self._identity.revision,
            "sampling": canonical_json(request.sampling.model_dump(mode="json")),
            **{name: _well_formed(value) for name, value in told.items()},
            "created_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }

    def _open(self) -> None:
        self._rows = 0
        self._journal = Journal.new(self._root)

    def _close(self) -> None:
        """Remove the journal; its rows are in a part by now, or there are none."""
        if self._journal is not None:
            journal, self._journal = self._journal, None
            journal.remove()


def write_part(rows: Sequence[dict[str, Any]], root: Path) -> None:
    """Write rows as an immutable part, named by its keys: writing the same journal twice gives one part."""
    if not rows:
        return
    table = pl.DataFrame(
        [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in rows], schema=COMPLETION
    ).unique("key", keep="first", maintain_order=True)
    name = hash_text("".join(sorted(table["key"])) + rows[0]["created_at"])
    write_table(table.sort("key"), root / f"part-{name}.parquet")


def _well_formed(value: Any) -> Any:
    """A model can emit half of a surrogate pair; a table of UTF-8 cannot hold it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
