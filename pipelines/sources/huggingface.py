"""Hugging Face datasets: a hub id, a folder written by `save_to_disk`, or any folder that `load_dataset` reads."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from pipelines.sources.arrow import BATCH, declare, stream
from pipelines.sources.batches import BATCH_BYTES
from pipelines.sources.hub_folder import check_files, check_folder
from pipelines.sources.section import SMALL, SourceSection
from schemas.errors import ConfigError, MissingDependencyError


class HuggingFaceSource(SourceSection):
    """Rows as the dataset stores them: images as their encoded bytes or path, class labels as their names.

    The data are memory-mapped, never loaded whole. A build notices new data on the Hub only when `revision` changes.
    """

    type: Literal["huggingface"] = "huggingface"
    path: str = Field(description="hub id (owner/name) or local folder")
    subset: str | None = Field(default=None, description="name of the configuration")
    revision: str | None = Field(default=None, description="hub commit, tag or branch")

    def _folders(self) -> tuple[Path, ...]:
        """The local folder; for a hub id, the caches in which the library keeps what it has loaded."""
        folder = Path(self.path).expanduser()
        if folder.is_dir():
            return (folder,)
        from datasets import config
        from huggingface_hub.constants import HF_HUB_CACHE

        return Path(config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE)

    def attach(self, connection: Any, scratch: Path) -> None:
        declare(connection, _plain_schema(self.dataset))

    def feed(self, connection: Any) -> None:
        stream(connection, _plain_schema(self.dataset), _batches(self.dataset))

    def stamp(self) -> JsonValue:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            return [self.path, self.revision]
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        return [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in files]

    def length(self) -> int | None:
        """Of a dataset on the Hub what its card says, where the Hub answers."""
        if not self.is_far():
            return len(self.dataset)
        try:
            import datasets

            splits = datasets.load_dataset_builder(self.path, self.subset, revision=self.revision).info.splits
            return None if splits is None or self.split not in splits else int(splits[self.split].num_examples)
        except Exception:  # the library raises many kinds; a plan goes on without this number
            return None

    def is_far(self) -> bool:
        return not Path(self.path).expanduser().is_dir()

    def is_small(self) -> bool:
        return int(self.dataset.data.nbytes) <= SMALL

    @cached_property
    def dataset(self) -> Any:
        """The `datasets.Dataset` of the split, opened once. ConfigError when it cannot be had, in the library's words."""
        try:
            import datasets
        except ImportError as error:
            raise MissingDependencyError("datasets", "cpu", f"source '{self.name}'") from error
        folder = Path(self.path).expanduser()
        local = folder.is_dir()
        if not local and self.path.startswith((".", "/", "~")):
            raise ConfigError(f"Source '{self.name}': there is no folder '{self.path}' (looked from {Path.cwd()}).")
        try:
            if local:
                check_folder(self.name, folder)
            if local and any((folder / f).is_file() for f in ("dataset_dict.json", "state.json")):
                saved = datasets.load_from_disk(str(folder))
                return self._choose(saved) if isinstance(saved, datasets.DatasetDict) else saved
            place = str(folder) if local else self.path
            if not local:
                given = datasets.load_dataset_builder(place, self.subset, revision=self.revision).config.data_files
                check_files(self.name, place, (str(file) for files in (given or {}).values() for file in files))
            return datasets.load_dataset(place, self.subset, split=self.split, revision=self.revision)
        except ConfigError:
            raise
        except Exception as error:  # the library raises many kinds: network, missing, gated, damaged, unknown split
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            if isinstance(error, ConnectionError):  # the Hub gave no answer, and its caches have none
                reason = f"{reason.rstrip('.')}. Check the network, or give a local folder as its `path`."
            raise ConfigError(f"Source '{self.name}': the dataset '{self.path}' cannot be loaded: {reason}") from error

    def _choose(self, saved: Any) -> Any:
        if self.split not in saved:
            raise ConfigError(f"Source '{self.name}': no split '{self.split}' in {self.path}; it has {sorted(saved)}.")
        return saved[self.split]


def _labels(dataset: Any) -> dict[str, list[str]]:
    """The names of every class-label column."""
    from datasets import ClassLabel

    return {name: list(kind.names) for name, kind in dataset.features.items() if isinstance(kind, ClassLabel)}


def _plain_schema(dataset: Any) -> Any:
    """The stored Arrow schema, class labels as text, without the library's metadata."""
    import pyarrow as pa

    labels = _labels(dataset)
    stored = dataset.features.arrow_schema.remove_metadata()
    return pa.schema([pa.field(f.name, pa.string()) if f.name in labels else f for f in stored])


def _batches(dataset: Any) -> Iterator[Any]:
    import pyarrow as pa

    labels, schema = _labels(dataset), _plain_schema(dataset)
    names = {name: pa.array(values) for name, values in labels.items()}
    rows = BATCH_BYTES * len(dataset) // max(1, int(dataset.data.nbytes))
    for table in dataset.with_format("arrow").iter(max(1, min(BATCH, rows))):
        columns = [_named(table[f.name], names[f.name]) if f.name in names else table[f.name] for f in schema]
        yield from pa.table(columns, schema=schema).to_batches()


def _named(codes: Any, names: Any) -> Any:
    import pyarrow.compute as pc

    known = pc.if_else(pc.greater_equal(codes, 0), codes, None)  # the library writes -1 for "no label"
    return pc.take(names, known)
