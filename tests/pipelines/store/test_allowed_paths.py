"""A row of somebody else's dataset names only what lies in its source's folder, once every link is resolved."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources.files import JsonlSource
from pipelines.sources.scenes import ScenesSource
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.media import MediaStore
from schemas.split import Split


def test_a_path_need_not_be_there_to_be_inside_or_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "inside-too"
    for folder in (inside, outside):
        folder.mkdir()
    (inside / "link").symlink_to(outside)
    assert resolved_inside(inside / "a" / ".." / "b", [inside]) == inside / "b"
    assert resolved_inside(inside / "link" / "b", [inside]) is None
    assert resolved_inside(inside / "link" / "b", [inside, outside]) == outside / "b"
    assert resolved_inside(outside / "b", [inside]) is None, "a folder whose name begins the same is another"
    assert resolved_inside(inside, []) is None
    with pytest.raises(ValueError, match="null"):
        resolved_inside(inside / "a\0b", [inside])


def _rows(root: Path, images: list[Any], config: IngestConfig | None = None, **options: Any) -> Split:
    rows = [{"question": f"{n}?", "answer": "2", "image": image} for n, image in enumerate(images)]
    (root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = JsonlSource(name="t", path=str(root / "q.jsonl"), **options)
    parts = list(ingest([source], MediaStore(root.parent / "media"), config))
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`data/` is a source's folder with one image, `private/` is none of its business."""
    for folder in ("data", "private"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 30), "red").save(tmp_path / folder / "a.png")
    (tmp_path / "data" / "file.png").symlink_to(tmp_path / "private" / "a.png")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "near.png").symlink_to("a.png")
    return tmp_path / "data"


def test_a_row_names_only_what_lies_in_its_sources_folder(data: Path) -> None:
    private = data.parent / "private"
    outside = [
        "../private/a.png",
        str(private / "a.png"),
        "file.png",
        "folder/a.png",
        "x/../../private/a.png",
        "/etc/hostname",
        "/etc/no-such-file",
        "../private/no-such-file",
    ]
    split = _rows(data, outside)
    assert split.kept.is_empty()
    assert split.dropped["reason"].unique().to_list() == ["ingest:image_outside"]
    for evidence in map(json.loads, split.dropped["evidence"]):
        assert set(evidence) == {"source", "row", "question", "path", "error"}, "neither size nor existence is told"
        assert "image_root" in evidence["error"]


def test_links_and_absolute_paths_inside_are_read(data: Path) -> None:
    inside = ["a.png", "near.png", str(data / "a.png"), "x/../a.png", "./a.png"]
    (data / "x").mkdir()
    assert _rows(data, inside).kept.height == len(inside)


def test_image_root_opens_other_folders(data: Path) -> None:
    private = str(data.parent / "private")
    split = _rows(data, ["folder/a.png", "a.png", f"{private}/a.png"], image_root=[str(data), private])
    assert split.kept.height == 3
    moved = _rows(data, ["a.png", str(data / "a.png")], image_root=private)
    assert (moved.kept.height, moved.dropped["reason"].to_list()) == (1, ["ingest:image_outside"])


def test_a_source_of_bytes_opens_no_path() -> None:
    assert ScenesSource(n=1).image_folders == ()


def test_only_regular_files_are_opened(data: Path) -> None:
    os.mkfifo(data / "pipe.png")
    (data / "zero.png").symlink_to("/dev/zero")
    (data / "ring.png").symlink_to("ring.png")
    config = IngestConfig(max_bytes=10_000)
    images = ["pipe.png", "zero.png", "ring.png", "folder", "a.png"]
    split = _rows(data, images, config, image_root=[str(data), "/dev", str(data.parent / "private")])
    assert split.kept.height == 1
    assert split.dropped["reason"].unique().to_list() == ["ingest:image_missing"]


def test_no_more_of_a_file_is_read_than_is_allowed(data: Path) -> None:
    with (data / "hole.png").open("wb") as file:
        file.truncate(2**40)
    split = _rows(data, ["hole.png"], IngestConfig(max_bytes=1000))
    assert split.dropped["reason"].to_list() == ["ingest:image_too_large"]
    assert json.loads(split.dropped["evidence"][0])["bytes"] == 2**40
