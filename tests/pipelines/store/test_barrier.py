"""What a disk did not take is told."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from pipelines.store.barrier import Barrier
from pipelines.store.media import MediaStore
from schemas.errors import StoreError


def broken(self: Barrier) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_barrier_syncs_a_file_system(tmp_path: Path) -> None:
    barrier = Barrier(tmp_path)
    (tmp_path / "a").write_bytes(b"a")
    barrier.sync()
    barrier.close()
    with pytest.raises(OSError) as error:
        barrier.sync()
    assert error.value.errno == errno.EBADF, "the system itself is asked"


def test_images_that_a_disk_did_not_take_are_told_and_nothing_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MediaStore(tmp_path / "media")
    store.put(b"a", "png")
    monkeypatch.setattr(Barrier, "sync", broken)
    barrier = store._barrier
    assert barrier is not None
    with pytest.raises(StoreError, match="its disk reports an error"):
        store.flush()
    store.flush()  # nothing was written since
    assert barrier._descriptor == -1
    assert store.read(hashlib.sha256(b"a").hexdigest()) == b"a", "what is read is held to its name all the same"
