"""Sources behind addresses: read where they lie, and a sentence for whatever keeps them from that."""

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from object_store import ObjectStore, use

from pipelines.sources.files import JsonlSource, ParquetSource
from pipelines.sources.read import check_source, fingerprint, read_rows
from schemas.errors import ConfigError


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    store = ObjectStore()
    use(store, monkeypatch, tmp_path)
    name = store.bucket()
    rows = pl.DataFrame({"question": ["q1", "q2"], "answer": ["a", "b"]})
    rows.write_parquet(tmp_path / "a.parquet")
    rows.write_ndjson(tmp_path / "a.jsonl")
    for file in ("a.parquet", "a.jsonl"):
        store.write(name, f"in/{file}", (tmp_path / file).read_bytes())
    yield name
    store.stop()


def test_tables_in_a_bucket_and_what_keeps_them_from_being_read(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (
        ParquetSource(name="t", path=f"s3://{bucket}/in/a.parquet"),
        ParquetSource(name="t", path=f"s3://{bucket}/in/*.parquet"),
        JsonlSource(name="t", path=f"s3://{bucket}/in/a.jsonl"),
    ):
        assert pl.concat(read_rows(source))["question"].sort().to_list() == ["q1", "q2"]
        assert fingerprint(source) == fingerprint(source)
    for path, why in {
        f"s3://{bucket}/in/none.parquet": "is not there",
        "s3://no-such-bucket/in/a.parquet": "is (no bucket|not there)",
        f"s3://{bucket}/in/*.arrow": "no file matches",
    }.items():
        with pytest.raises(ConfigError, match=why):
            check_source(ParquetSource(name="t", path=path))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    import fsspec

    monkeypatch.setattr(fsspec, "filesystem", lambda protocol: (_ for _ in ()).throw(ImportError("no s3fs")))
    with pytest.raises(ConfigError, match=r"pip install 'curate-multimodal\[s3\]'"):
        check_source(ParquetSource(name="t", path=f"s3://{bucket}/in/a.parquet"))
