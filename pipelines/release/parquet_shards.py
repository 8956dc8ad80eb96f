"""Parquet in shards of a bounded size, with the metadata by which `datasets` knows what a column is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SHARD_BYTES = 400 << 20

TURNS = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
"""A conversation."""
PARTS = pa.list_(
    pa.struct({"role": pa.string(), "content": pa.list_(pa.struct({"type": pa.string(), "text": pa.string()}))})
)
"""A conversation whose contents are parts: texts, and images in between, whose text is null."""
IMAGES = pa.list_(pa.struct({"bytes": pa.binary(), "path": pa.string()}))
"""Images with their bytes, which `datasets` shows as images."""


class Shards:
    """A context manager that writes `part-00000.parquet`, `part-00001.parquet`, … into a folder that it makes.

    There is always a first file, even of no rows. After the block, `files` holds each path with its rows.
    """

    def __init__(self, folder: Path, schema: pa.Schema, shard_bytes: int = SHARD_BYTES) -> None:
        self.files: list[tuple[Path, int]] = []
        self._folder = folder
        self._schema = schema
        self._limit = shard_bytes
        self._rows = 0

    def __enter__(self) -> "Shards":
        self._folder.mkdir(parents=True)
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append a row group."""
        self.append(pa.Table.from_pylist(records, schema=self._schema))

    def append(self, table: pa.Table) -> None:
        """Append a row group that is a table already, of the same columns."""
        if self._path.stat().st_size > self._limit:
            self._close()
            self._open()
        self._writer.write_table(table.select(self._schema.names).cast(self._schema))
        self._rows += len(table)

    def _open(self) -> None:
        self._path = self._folder / f"part-{len(self.files):05d}.parquet"
        self._writer = pq.ParquetWriter(self._path, self._schema, compression=_compression(self._schema))
        self._rows = 0

    def _close(self) -> None:
        self._writer.close()
        self.files.append((self._path, self._rows))


def _compression(schema: pa.Schema) -> dict[str, str]:
    """Texts are packed; images are packed already, so packing them again would cost time and save nothing."""
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    columns = pq.ParquetFile(pa.BufferReader(empty.getvalue())).schema
    leaves = (columns.column(i) for i in range(len(columns)))
    return {leaf.path: "none" if _is_bytes(leaf) else "zstd" for leaf in leaves}


def _is_bytes(leaf: pq.ColumnSchema) -> bool:
    return bool(leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type == "NONE")


def hub_schema(fields: Mapping[str, pa.DataType]) -> pa.Schema:
    """An Arrow schema that `datasets` reads with these types, images as `Image`, wherever the rows come from."""
    schema = pa.schema(dict(fields))
    info = {"info": {"features": {f.name: _feature(f.type) for f in schema}}}
    return schema.with_metadata({"huggingface": json.dumps(info)})


def _feature(kind: pa.DataType) -> Any:
    """An Arrow type in the notation of `datasets.Features.to_dict()`."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        if pa.types.is_struct(inner) and inner.get_field_index("bytes") >= 0:
            return {"feature": {"_type": "Image"}, "_type": "List"}
        return {"feature": _feature(inner), "_type": "List"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _feature(kind.field(i).type) for i in range(kind.num_fields)}
    names = {
        pa.string(): "string",
        pa.binary(): "binary",
        pa.int32(): "int32",
        pa.int64(): "int64",
        pa.float64(): "float64",
        pa.bool_(): "bool",
    }
    return {"dtype": names[kind], "_type": "Value"}
