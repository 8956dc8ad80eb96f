"""A row shows the image that it names, or a release is not what it was."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from proven import proven
from sealing import resealed, rewritten

from pipelines.export.catalogue import exporter_of
from pipelines.export.image_folder import ImageFolder
from pipelines.export.rows import Image, open_release
from pipelines.export.write import export
from pipelines.release.verify import verify_release
from pipelines.report.origin import find_origin
from pipelines.report.write import write_report
from schemas.errors import ConfigError

OTHER = "0" * 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {images: proven(tmp_path_factory.mktemp(images), images) for images in ("embed", "reference")}


def copied(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "proven" / "v1"
    shutil.copytree(made, copy)
    return copy


def shown(release: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change each image of the config `rl`."""

    def rows(table: pl.DataFrame) -> pl.DataFrame:
        lists = [[change(image) for image in row] for row in table["images"].to_list()]
        return table.with_columns(images=pl.Series(lists, dtype=table.schema["images"]))

    rewritten(release / "rl" / "part-00000.parquet", rows)
    resealed(release)


def refusal(release: Path) -> str:
    proof = verify_release(release)
    assert not proof.holds, proof.text()
    return next(check.words for check in proof.checks if check.name == "images")


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "other bytes": ("embed", lambda image: {**image, "bytes": image["bytes"] + b"x"}),
    "another name": ("embed", lambda image: {**image, "path": f"{OTHER}.png"}),
    "no name": ("embed", lambda image: {**image, "path": None}),
    "a name with a null byte": ("embed", lambda image: {**image, "path": "a\0b.png"}),
    "a file of this machine": ("embed", lambda image: {"bytes": None, "path": "/etc/hostname"}),
    "an address": ("reference", lambda image: {"bytes": None, "path": "https://evil.example/x.png"}),
    "a file outside": ("reference", lambda image: {"bytes": None, "path": f"../../{image['path']}"}),
    "nothing": ("reference", lambda image: {"bytes": None, "path": None}),
    "an image that is not there": ("reference", lambda image: {"bytes": None, "path": f"images/{OTHER}.png"}),
}


@pytest.mark.parametrize("how", CHANGES)
def test_an_image_is_the_one_of_its_name(made: dict[str, Path], tmp_path: Path, how: str) -> None:
    images, change = CHANGES[how]
    release = copied(made[images], tmp_path)
    shown(release, change)
    assert "shows" in refusal(release)


@pytest.mark.parametrize("folder", ["images", "card_images"])
def test_an_image_beside_the_tables_is_too(made: dict[str, Path], tmp_path: Path, folder: str) -> None:
    release = copied(made["reference"], tmp_path)
    path = min((release / folder).iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    resealed(release)
    assert refusal(release) == f"{folder}/{path.name} is not the image of its name"


@pytest.mark.parametrize(
    "name", ["a\0b.png", "x" * 300 + ".png", "a." + "y" * 300, "../../../z.png", "\x1b]52;c;\x07.png"]
)
def test_an_image_of_any_name_is_exported_and_reported(made: dict[str, Path], tmp_path: Path, name: str) -> None:
    release = copied(made["embed"], tmp_path)
    shown(release, lambda image: {**image, "path": name})
    write_report(find_origin(str(release), tmp_path), tmp_path / "page.html")
    found = export(open_release(str(release), tmp_path), exporter_of("ms_swift"), tmp_path / "out")
    assert sum(found["rows"].values()) > 0 and found["dropped"] == {}
    place = ImageFolder(tmp_path / "files").place(Image(Path(name).name, b"an image"))  # for trainers that read paths
    assert len(Path(place).name) <= 64 + 9 and (tmp_path / "files" / place).read_bytes() == b"an image"


@pytest.mark.parametrize("column", ["prompt", "answer", "solution", "tags"])
def test_a_row_that_says_nothing_is_dropped(made: dict[str, Path], tmp_path: Path, column: str) -> None:
    release = copied(made["embed"], tmp_path)
    path = release / "rl" / "part-00000.parquet"
    rewritten(path, lambda rows: rows.with_columns(pl.lit(None, rows.schema[column]).alias(column)))
    resealed(release)
    found = export(open_release(str(release), tmp_path), exporter_of("trl"), tmp_path / "out")
    assert found["dropped"]["grpo"] == {"export:null_field": pl.read_parquet(path).height}


def test_a_table_without_a_column_is_a_sentence(made: dict[str, Path], tmp_path: Path) -> None:
    release = copied(made["embed"], tmp_path)
    path = release / "rl" / "part-00000.parquet"
    pl.read_parquet(path).drop("tags").write_parquet(path)
    resealed(release)
    with pytest.raises(ConfigError, match=r"rl/part-00000.parquet has no column 'tags'"):
        export(open_release(str(release), tmp_path), exporter_of("trl"), tmp_path / "out")


@pytest.mark.parametrize("trainer", ["trl", "ms_swift"])
def test_no_export_shows_another_image_than_its_row_names(made: dict[str, Path], tmp_path: Path, trainer: str) -> None:
    """Two images of one name would be one file in exports of files: the first one, for both rows."""
    release = copied(made["embed"], tmp_path)
    name = pl.read_parquet(release / "rl" / "part-00000.parquet")["images"].to_list()[0][0]["path"]
    shown(release, lambda image: {**image, "path": name})
    found = export(open_release(str(release), tmp_path), exporter_of(trainer), tmp_path / "out")
    dropped = pl.read_parquet(tmp_path / "out" / "dropped.parquet")
    rows = pl.read_parquet(release / "rl" / "part-00000.parquet")
    assert set(dropped["reason"]) == {"export:another_image"}
    assert rows.height - 1 == dropped["id"].n_unique() > 0, found
