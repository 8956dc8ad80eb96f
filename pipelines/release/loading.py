"""What loaders make of a release without asking curate: `datasets` by the front matter of README.md and by what a table
says of its columns, Croissant by the files that it names.

Each of these can lead to other rows than those that were proven, and a text that is called an image to any file or address.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.release import rollout_rows
from pipelines.release.card import loadable
from pipelines.release.configs import configs_in
from pipelines.release.parquet_shards import hub_schema
from pipelines.release.recount import FaultError, UnprovenError
from pipelines.store.release_damage import README
from pipelines.store.table_files import tables_in

_KEYS = {"config_name", "data_files", "description"}


def loads(manifest: Mapping[str, Any], release: Path) -> str:
    """Whether loaders read the tables of the release, as what they are. Raises FaultError or UnprovenError."""
    folders = [*configs_in(release), *([rollout_rows.NAME] if (release / rollout_rows.NAME).exists() else [])]
    for name in folders:
        _check_columns(release / name)
    _check_croissant(manifest, release / "croissant.json")
    if not (release / README).exists():
        raise UnprovenError(f"there is no {README}, so `load_dataset` guesses what is a config")
    wanted = [(name, f"{name}/*.parquet") for name in loadable(manifest) if name in folders]
    if _front_matter(release / README) != wanted:
        raise FaultError(f"{README} names other files for `load_dataset` than the tables")
    return f"`load_dataset` and Croissant read the tables of {len(wanted)} configs"


def _check_columns(folder: Path) -> None:
    """What the tables of a config say that their columns are: as curate writes it, and all the same."""
    first = None
    for path in tables_in(folder):
        schema = pq.read_schema(path)
        first = first or schema
        stated, true = schema.metadata, hub_schema(dict(zip(schema.names, schema.types, strict=True))).metadata
        if stated != true or not schema.equals(first):
            raise FaultError(
                f"{folder.name}/{path.name} says of its columns what they are not, and `datasets` believes it"
            )


def _front_matter(readme: Path) -> list[tuple[Any, Any]]:
    """What `datasets` reads of the card: each config with its files. Raises FaultError where it would read more."""
    from huggingface_hub import DatasetCard

    card = DatasetCard(readme.read_text(encoding="utf-8")).data.to_dict()  # type: ignore[no-untyped-call]
    found = card.get("configs") or []
    if "dataset_info" in card or not all(isinstance(one, dict) and one.keys() <= _KEYS for one in found):
        raise FaultError(f"{README} says more of the configs to `load_dataset` than which files they are")
    return [(one.get("config_name"), one.get("data_files")) for one in found]


def _check_croissant(manifest: Mapping[str, Any], path: Path) -> None:
    known = {(file["path"], file["sha256"]) for file in manifest["files"]}
    for url, digest in _urls(json.loads(path.read_text(encoding="utf-8"))):
        if (url, digest) not in known:
            raise FaultError(f"{path.name} names {url!r}, which is no table of the release")


def _urls(found: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(found, dict):
        if "contentUrl" in found:
            yield found["contentUrl"], found.get("sha256")
        found = list(found.values())
    if isinstance(found, list):
        for inner in found:
            yield from _urls(inner)
