"""Where planted secrets lie: in any file, also packed ones, and in any of the forms in which they travel."""

import base64
import gzip
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq

_BLOCK = re.compile(rb'<script type="text/plain" id="[^"]*">([^<]*)</script>')


def forms(secret: str) -> list[bytes]:
    """The secret itself, as a part of an address, and within base64 of any alignment."""
    found = [secret.encode(), quote(secret, safe="").encode()]
    for before in range(3):
        packed = base64.b64encode(b" " * before + secret.encode())
        found.append(packed[-(-before * 4 // 3) + (before > 0) : -4])
    return found


def named_in(data: bytes, planted: Mapping[str, str]) -> list[str]:
    """The names of the secrets that bytes hold."""
    return [name for name, secret in planted.items() if any(form in data for form in forms(secret))]


def holders(folder: Path, planted: Mapping[str, str]) -> list[tuple[Path, list[str]]]:
    """Every file below a folder that holds a secret, with which."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [(path, names) for path in files if (names := named_in(b"\n".join(_texts(path)), planted))]


def _texts(path: Path) -> Iterator[bytes]:
    """What a file holds, packed and unpacked."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet":
        table = pq.ParquetFile(path)
        yield repr(table.schema_arrow.metadata).encode()
        for batch in table.iter_batches():
            yield json.dumps(batch.to_pylist(), default=str).encode()
    elif path.suffix == ".html":
        for block in _BLOCK.findall(data):
            held = base64.b64decode(block)
            yield gzip.decompress(held) if held[:2] == b"\x1f\x8b" else held
    elif path.suffix == ".gz":
        yield gzip.decompress(data)
    elif data[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:  # a text may lie on several pages
            yield "\n".join(database.iterdump()).encode()
