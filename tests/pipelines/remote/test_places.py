"""Where a workspace lies on this machine, by its path or its address."""

from pathlib import Path

import pytest

from pipelines.remote import places
from pipelines.remote.places import address_of, cache_folder, copy_of, named


def test_a_path_is_itself() -> None:
    assert named("curate_out") == Path("curate_out")
    assert named("file:///data/x") == Path("/data/x")
    assert address_of(Path("curate_out")) == "curate_out"
    assert copy_of(Path("curate_out")) is None


def test_an_address_has_a_working_copy_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_COPIES", {})
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    root = named("s3://bucket/a/b")
    assert root.is_relative_to(tmp_path)
    assert root == named("s3://bucket/a/b/")
    assert root != named("s3://bucket/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    assert root != named("s3://bucket/a/b")
    assert address_of(root) == "s3://bucket/a/b"
    copy = copy_of(root / "log" / "completions")
    assert copy is not None
    assert copy.root == root
    assert copy_of(tmp_path / "other") is None
    assert not list(tmp_path.iterdir())


def test_caches_lie_where_those_of_the_user_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURATE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/curate")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("~/.cache/curate").expanduser().resolve()


def test_a_folder_that_only_looks_like_a_working_copy_is_none(tmp_path: Path) -> None:
    (tmp_path / ".remote").mkdir()
    assert copy_of(tmp_path / "builds") is None
