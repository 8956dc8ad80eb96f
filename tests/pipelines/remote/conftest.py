"""One S3 store on loopback for all tests of workspaces in object stores, and a bucket for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import ObjectStore, use


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    server = ObjectStore()
    yield server
    server.stop()


@pytest.fixture
def address(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a new workspace; this process has its own cache."""
    use(store, monkeypatch, tmp_path / "cache")
    return f"s3://{store.bucket()}/work"
