"""The media store: content addressing, idempotence, many writers, refusals and damage."""

import errno
import hashlib
import io
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.media import MediaStore
from schemas.engine import MediaReader
from schemas.errors import MediaError, StoreError


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file())


def _put_all(root: Path, payloads: list[bytes]) -> list[str]:
    store = MediaStore(root)
    return [store.put(data, "png") for data in payloads]


def test_put_read_round_trip_under_the_hash(tmp_path: Path) -> None:
    store: MediaReader = MediaStore(tmp_path / "media")
    assert isinstance(store, MediaStore)
    sha = store.put(b"pixels", "png")
    assert sha == hashlib.sha256(b"pixels").hexdigest()
    assert store.path(sha) == tmp_path / "media" / sha[:2] / sha[2:4] / f"{sha}.png"
    assert store.read(sha) == b"pixels"


@settings(max_examples=30, deadline=None)
@given(payloads=st.lists(st.binary(max_size=64), max_size=12))
def test_distinct_contents_are_stored_once_each(
    payloads: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("media")
    store = MediaStore(root)
    hashes = [store.put(data, "jpg") for data in payloads * 2]
    assert len(_files(root)) == len(set(payloads))
    assert [store.read(h) for h in hashes] == payloads * 2
    assert list(store.check()) == []


def test_nothing_is_created_before_the_first_put(tmp_path: Path) -> None:
    store = MediaStore(tmp_path / "media")
    store.flush()
    assert list(store.check()) == []
    assert not (tmp_path / "media").exists()


def test_a_second_put_leaves_the_file_alone(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    path = store.path(store.put(b"x", "png"))
    os.utime(path, ns=(1, 1))
    store.put(b"x", "png")
    assert path.stat().st_mtime_ns == 1


def test_put_mends_a_file_cut_short(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    sha = store.put(b"whole", "png")
    store.path(sha).write_bytes(b"")
    assert [d.path for d in store.check()] == [store.path(sha)]
    store.put(b"whole", "png")
    assert store.read(sha) == b"whole"


def test_a_file_of_other_bytes_is_never_read_and_set_aside_for_the_whole_one(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    sha = store.put(b"whole", "png")
    path = store.path(sha)
    path.write_bytes(b"whale")
    with pytest.raises(MediaError, match=r"is damaged: its bytes are not those of its name") as caught:
        store.read(sha)
    assert caught.value.sha256 == sha
    assert store.set_aside() == [path] and not path.exists()
    store.put(b"whole", "png")
    assert store.read(sha) == b"whole" and store.set_aside() == []


def test_check_names_damage_and_unfinished_writes(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    path = store.path(store.put(b"abc", "png"))
    path.write_bytes(b"abd")
    left = path.with_name(".left")
    left.write_bytes(b"")
    assert {d.path: d.cause.split(" ")[0] for d in store.check()} == {path: "its", left: "unfinished"}


def test_missing_media_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"has no file for 00ff"):
        MediaStore(tmp_path).path("00ff" * 16)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "denied"),
    ],
)
def test_refusals_become_store_errors_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match=words):
        MediaStore(tmp_path).put(b"x", "png")
    assert _files(tmp_path) == []


def test_a_file_in_the_way_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("not a folder")
    with pytest.raises(StoreError, match="a file is where"):
        MediaStore(tmp_path / "media").put(b"x", "png")


def test_many_threads_and_processes_write_the_same_media(tmp_path: Path) -> None:
    payloads = [bytes([i]) * 2000 for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        by_thread = list(pool.map(lambda _: _put_all(tmp_path, payloads), range(4)))
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        by_process = processes.starmap(_put_all, [(tmp_path, payloads)] * 2)
    assert len({tuple(h) for h in by_thread + by_process}) == 1
    assert len(_files(tmp_path)) == 20
    assert list(MediaStore(tmp_path).check()) == []


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let no file of images be opened, as where too many are open already."""

    def opens(path: object, *given: object, **named: object) -> object:
        if ".png" in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *given, **named)  # type: ignore[call-overload]

    real = io.open
    monkeypatch.setattr(io, "open", opens)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.ESTALE, errno.ENOMEM])
def test_what_nobody_can_read_now_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = MediaStore(tmp_path)
    shas = [store.put(bytes([i]), "png") for i in range(3)]
    with monkeypatch.context() as patch:
        refuse(patch, number)
        with pytest.raises(StoreError, match=r"^Cannot read ") as caught:
            store.read(shas[0])
        assert not isinstance(caught.value, MediaError)
        with pytest.raises(StoreError, match=r"^Cannot read "):
            store.set_aside()
    assert [store.read(sha) for sha in shas] == [bytes([i]) for i in range(3)]


def test_an_image_that_its_disk_cannot_read_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MediaStore(tmp_path)
    sha = store.put(b"x", "png")
    with monkeypatch.context() as patch:
        refuse(patch, errno.EIO)
        with pytest.raises(MediaError, match="cannot be read"):
            store.read(sha)
        assert len(store.set_aside()) == 1
    assert _files(tmp_path) == [tmp_path / sha[:2] / sha[2:4] / f".damaged-{sha}.png"]
