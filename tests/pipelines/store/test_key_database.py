"""What DuckDB cannot do with keys is a sentence that names them, and a table that it could not write is not there."""

from pathlib import Path

import pytest

from pipelines.store.key_database import copy_to, key_database
from pipelines.store.memory import Memory
from schemas.errors import StoreError

MANY = "SELECT md5(i::VARCHAR) AS key, list(i) FROM range(3_000_000) t(i) GROUP BY ALL ORDER BY key"


def test_more_keys_than_the_disk_takes_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "duckdb").write_text("a file, where DuckDB wants its folder")
    with (
        pytest.raises(StoreError, match=r"^The keys in log cannot be read or sorted: ") as caught,
        key_database(Path("log"), Memory(256 << 20), tmp_path) as db,
    ):
        copy_to(db, MANY, tmp_path / "out.parquet")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["duckdb"]
