"""Perceptual hashes of stored images: each computed once, whoever asks."""

import io
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from filters.dedup.image_hash import HASHES, image_hash
from pipelines.store.image_hashes import HashLog, image_shas
from schemas.sample import SAMPLE


class Media:
    """Images by name; counts how often each is read."""

    def __init__(self, **stored: bytes) -> None:
        self.stored, self.reads = stored, list[str]()

    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        self.reads.append(sha256)
        return self.stored[sha256]


def _png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(out, "PNG")
    return out.getvalue()


def test_each_image_is_hashed_once(tmp_path: Path) -> None:
    media = Media(a=_png("red"), b=_png("blue"), c=b"not an image")
    log = HashLog(tmp_path)
    assert log.hashes(pl.Series(["b", "a", "a"]), media)["sha256"].to_list() == ["a", "b"]
    found = HashLog(tmp_path).hashes(pl.Series(["c", "a", None]), media)
    assert found.schema == HASHES
    assert sorted(media.reads) == ["a", "b", "c"]
    assert found.row(0) == ("a", *(image_hash(media.stored["a"]) or ()))
    assert found.row(1) == ("c", None, None)
    assert log.hashes(pl.Series([], dtype=pl.String), media).is_empty()


def test_a_damaged_part_is_set_aside_and_its_images_are_hashed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    media, log = Media(a=_png("red"), b=_png("blue")), HashLog(tmp_path)
    found = log.hashes(pl.Series(["a"]), media)
    (part,) = tmp_path.rglob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:-9])
    log.hashes(pl.Series(["b"]), media)
    assert HashLog(tmp_path).hashes(pl.Series(["a"]), media).equals(found)
    assert media.reads == ["a", "b", "a"]
    assert [path.name for path in tmp_path.rglob("aside-*")] == [f"aside-{part.stem}-cut.parquet"]
    assert caplog.text.count(" is damaged: it was cut short") == 1


def test_hashes_that_go_while_others_are_computed_are_computed_too(tmp_path: Path) -> None:
    class Removes(Media):
        def read(self, sha256: str) -> bytes:
            for part in tmp_path.rglob("part-*.parquet"):
                if sha256 == "b":
                    part.unlink()
            return super().read(sha256)

    media, log = Removes(a=_png("red"), b=_png("blue")), HashLog(tmp_path)
    log.hashes(pl.Series(["a"]), media)
    assert log.hashes(pl.Series(["a", "b"]), media)["sha256"].to_list() == ["a", "b"]


def test_images_of_rows_are_images_only_and_each_once() -> None:
    media = [{"kind": "image", "sha256": "b"}, {"kind": "video", "sha256": "v"}, {"kind": "image", "sha256": "a"}]
    rows = [
        dict.fromkeys(SAMPLE) | {"id": str(i), "media": shown} for i, shown in enumerate((media, media[:1], None, []))
    ]
    assert image_shas(pl.DataFrame(rows, schema=SAMPLE)).to_list() == ["a", "b"]
