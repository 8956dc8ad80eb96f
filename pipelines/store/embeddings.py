"""The embeddings log: each vector an encoder ever gave us, written once, by encoder identity and content key.

Like the completions log, it is a set of immutable parts (`pipelines.store.keyed_log`). Vectors are stored
as 16-bit floats, which moves a cosine by less than 0.001, and read back as one memory-mapped matrix.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filters.dedup.vectors import Vectors
from pipelines.store.keyed_log import KeyedLog
from pipelines.store.part_file import DamagedError
from pipelines.store.workspace import store_errors
from schemas.completion import ModelIdentity
from schemas.engine import Encoder
from schemas.errors import StepError
from schemas.ids import content_id

PART_ROWS = 8192


class EmbeddingsLog:
    """The vectors of all encoders below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def vectors(
        self,
        identity: ModelIdentity,
        keys: pl.Series,
        items: Callable[[Sequence[str]], Sequence[Any]],
        encoder: Callable[[], Encoder],
        out: Path,
        *,
        replay: bool = False,
    ) -> Vectors:
        """The vectors of `keys` (unique content keys), in their order, as a matrix memory-mapped from `out`.

        `items` gives what the keys are of; `encoder` is made only if a vector is missing. Raises StepError where a
        replay lacks vectors.
        """
        log = self._log(identity)
        for _ in range(2):  # parts may be set aside while others are made
            if not len(missing := self.missing(identity, keys)):
                return self._matrix(log, keys, out)
            if replay:
                raise StepError(f"Replay: {len(missing)} vectors of {identity.model} are not in the log.")
            self._encode(log, missing, items, encoder())
        if len(missing := self.missing(identity, keys)):
            raise StepError(
                f"{len(missing)} vectors of {identity.model} have another length than most in {log.folder}: it is another "
                "encoder now; remove that folder, and all are computed anew."
            )
        return self._matrix(log, keys, out)

    def missing(self, identity: ModelIdentity, keys: pl.Series) -> pl.Series:
        """The keys whose vectors the log does not hold, in their order."""
        log = self._log(identity)
        _keep_one_width(log)
        return log.missing(keys)

    def _log(self, identity: ModelIdentity) -> KeyedLog:
        model = content_id(identity.to_json())
        return KeyedLog(self.root / model, f"embeddings/{model}", _are_vectors)

    def _encode(
        self, log: KeyedLog, keys: pl.Series, items: Callable[[Sequence[str]], Sequence[Any]], encoder: Encoder
    ) -> None:
        for start in range(0, len(keys), PART_ROWS):
            part = keys[start : start + PART_ROWS].to_list()
            vectors = encoder.encode(items(part)).astype(
                np.float16
            )  # all at once, so that texts of a length are together
            if len(bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
                raise StepError(
                    f"The encoder's vectors of {len(bad)} of {len(part)} items are no numbers, first {part[bad[0]]}."
                )
            table = pl.DataFrame(
                {"key": part, "vector": vectors},
                schema={"key": pl.String, "vector": pl.Array(pl.Float16, vectors.shape[1])},
            )
            log.append(table)

    def _matrix(self, log: KeyedLog, keys: pl.Series, out: Path) -> Vectors:
        """Fill the matrix piece by piece."""
        if not len(keys):
            return Vectors(keys, np.zeros((0, 1), dtype=np.float16))
        places = pl.DataFrame({"key": keys, "place": np.arange(len(keys))})
        matrix: Any = None
        filled = np.zeros(len(keys), dtype=bool)
        with store_errors(out):
            for rows in log.rows(keys):
                part = rows.join(places, on="key")
                block = part["vector"].to_numpy()
                if matrix is None:
                    shape = (len(keys), block.shape[1])
                    matrix = np.lib.format.open_memmap(out, mode="w+", dtype=np.float16, shape=shape)  # type: ignore[no-untyped-call]
                    _reserve(out)
                matrix[part["place"].to_numpy()] = block
                filled[part["place"].to_numpy()] = True
            if not filled.all():
                raise log.files.lacking()
            matrix.flush()
        return Vectors(keys, np.load(out, mmap_mode="r"))


def _keep_one_width(log: KeyedLog) -> None:
    """Set aside the parts whose vectors have another length than most: an encoder changed, and not its name."""
    rows: Counter[int] = Counter()
    proofs = {path: log.files.proof(path) for path in log.files.parts(())}
    for proof in proofs.values():
        rows[_width(proof.schema)] += sum(proof.rows)
    for path, proof in proofs.items():
        most = rows.most_common(1)[0][0]
        if (width := _width(proof.schema)) != most:
            log.files.set_aside(path, DamagedError("width", f"its vectors have {width} numbers, and most have {most}"))


def _width(schema: pl.Schema) -> int:
    vector = schema["vector"]
    assert isinstance(vector, pl.Array)
    return int(vector.size)


def _are_vectors(found: pl.Schema) -> bool:
    vector = found.get("vector")
    return set(found) == {"key", "vector"} and isinstance(vector, pl.Array) and vector.inner == pl.Float16


def _reserve(path: Path) -> None:
    """Give every block of a mapped file its place now: on a full disk, a write to one without kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
