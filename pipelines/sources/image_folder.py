"""A folder of images, with a metadata file or with one sub-folder a label, as Hugging Face's `imagefolder` has it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from pipelines.sources.arrow import batches, declare, stream, text_schema
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.section import SMALL, SourceSection
from pipelines.store.allowed_paths import found_inside
from schemas.errors import ConfigError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".jp2", ".avif")
_READERS = {"csv": CsvSource, "jsonl": JsonlSource, "parquet": ParquetSource}


class ImageFolderSource(SourceSection):
    """With `metadata.csv`, `.jsonl` or `.parquet`: its columns, and `image` from its column `file_name` (or `images`
    from `file_names`), relative to the metadata file. Without: `image`, `file_name` and `label`, the name of the
    image's folder. A sub-folder named like `split` is taken where there is one.

    The convention: https://huggingface.co/docs/datasets/image_dataset#imagefolder.
    """

    all_images = True
    type: Literal["image_folder"] = "image_folder"
    path: str = Field(description="the folder")

    @property
    def root(self) -> Path:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise ConfigError(f"Source '{self.name}': there is no folder '{self.path}' (looked from {Path.cwd()}).")
        inner = folder / self.split
        chosen = inner if inner.is_dir() else folder
        if not os.access(chosen, os.R_OK | os.X_OK):
            raise ConfigError(f"Source '{self.name}': the folder '{chosen}' cannot be read (permission denied).")
        return chosen

    def _folders(self) -> tuple[Path, ...]:
        return (self.root,)

    def files(self) -> list[str]:
        metadata = self._metadata()
        return [] if metadata is None else [str(metadata)]

    def attach(self, connection: Any, scratch: Path) -> None:
        metadata = self._metadata()
        if metadata is None:
            declare(connection, text_schema(("image", "file_name", "label")))
            return
        reader = _READERS[metadata.suffix[1:]](name=self.name, path=str(metadata))
        reader.attach(connection, scratch)
        names = {name for name, *_ in connection.execute("DESCRIBE raw").fetchall()}
        given = {"image": "file_name", "images": "file_names"}
        added = [f"{old} AS {new}" for new, old in given.items() if old in names and not names & set(given)]
        if not added and not names & set(given):
            raise ConfigError(f"Source '{self.name}': {metadata} has no column 'file_name'; it has {sorted(names)}.")
        connection.execute("ALTER VIEW raw RENAME TO metadata")
        connection.execute(f"CREATE VIEW raw AS SELECT {', '.join(['*', *added])} FROM metadata")

    def feed(self, connection: Any) -> None:
        if self._metadata() is None:
            schema = text_schema(("image", "file_name", "label"))
            stream(connection, schema, batches(self._rows(), schema))

    def stamp(self) -> JsonValue:
        """The metadata file and the time of change of every folder, which moves when a file comes, goes or is renamed.

        An image whose bytes are rewritten in place is not noticed.
        """
        metadata = self._metadata()
        stamps: list[JsonValue] = [[str(folder), folder.stat().st_mtime_ns] for folder in _inner_folders(self.root)]
        return [*stamps, [metadata.stat().st_size, metadata.stat().st_mtime_ns] if metadata else None]

    def is_small(self) -> bool:
        metadata = self._metadata()
        return metadata is None or metadata.stat().st_size <= SMALL

    def _metadata(self) -> Path | None:
        found = next((path for end in _READERS if (path := self.root / f"metadata.{end}").is_file()), None)
        if found is not None:
            found_inside(found, self.root, f"Source '{self.name}'")
        return found

    def _rows(self) -> Iterator[dict[str, str]]:
        for folder in _inner_folders(self.root):
            for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
                name = str(path.relative_to(self.root))
                yield {"image": name, "file_name": name, "label": folder.name}


def _inner_folders(root: Path) -> Iterator[Path]:
    """Every folder from `root` down, in the order of their names."""
    for folder, inner, _ in os.walk(root):
        inner.sort()
        yield Path(folder)
