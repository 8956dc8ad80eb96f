"""Files are hashed as everybody hashes them."""

import hashlib
from pathlib import Path

import pytest

from schemas.digests import bytes_hash, file_hash, span_hash

BLOCK = 1 << 20


@pytest.mark.parametrize("size", [0, 3, BLOCK, 2 * BLOCK + 5])
def test_a_file_its_bytes_and_a_span_of_it_have_the_sha256_of_any_other_tool(tmp_path: Path, size: int) -> None:
    data, path = bytes(range(251)) * (size // 251 + 1), tmp_path / "file"
    data = data[:size]
    path.write_bytes(data)
    assert bytes_hash(data) == file_hash(path) == hashlib.sha256(data).hexdigest()
    with path.open("rb") as file:
        for start, length in ((0, size), (size // 3, size // 2), (size, 0), (size // 2, size)):
            assert span_hash(file, start, length) == hashlib.sha256(data[start : start + length]).hexdigest()
