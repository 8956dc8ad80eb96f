"""Images of a release are called after the hash of their bytes, so that a row says which image it shows."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.release.configs import configs_in
from pipelines.release.recount import FaultError
from pipelines.store.table_files import tables_in
from schemas.digests import bytes_hash

ROWS = 64
"""Rows whose images are in memory at a time."""


def images(manifest: Mapping[str, Any], release: Path) -> str:
    """Whether every image is the one of its name, inside a table or beside it. Raises FaultError."""
    beside = {file["path"] for file in manifest["beside"] if PurePosixPath(file["path"]).stem == file["sha256"]}
    for file in manifest["beside"]:
        if "images/" in file["path"] and file["path"] not in beside:
            raise FaultError(f"{file['path']} is not the image of its name")
    count = 0
    for path, name, data in _shown(release):
        count += 1
        if data is None and name not in beside:
            raise FaultError(f"a row of {path} shows {name!r}, which is no image of the release")
        if data is not None and PurePosixPath(name or "").stem != bytes_hash(data):
            raise FaultError(f"a row of {path} shows another image than {name!r}, which it names")
    return f"{count:,} in the rows, each the one of its name"


def _shown(release: Path) -> Iterator[tuple[str, Any, Any]]:
    """The table, the name and the bytes of every image of every row."""
    for config in configs_in(release):
        for path in tables_in(release / config):
            for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(batch_size=ROWS, columns=["images"]):
                flat: pa.StructArray = batch.column(0).flatten()
                for name, data in zip(flat.field("path"), flat.field("bytes"), strict=True):
                    yield f"{config}/{path.name}", name.as_py(), data.as_buffer()
