"""Manifests for releases that a test wrote or changed by hand, as the step `release` seals them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipelines.store.release_files import content_of, table_entry
from pipelines.store.release_seal import FORMAT, seal


def sealed(release: Path, facts: Mapping[str, Any]) -> Path:
    """Write the manifest of a folder `…/<recipe>/v<N>`: `facts`, and what is true of its files."""
    paths = sorted(release.rglob("*.parquet"))
    files = [table_entry(path, release, pq.ParquetFile(path).metadata.num_rows) for path in paths]
    own = {"format": FORMAT, "name": release.parent.name, "version": release.name}
    seal({**own, **facts, "files": files, "content": content_of(files)}, release)
    return release


def resealed(
    release: Path, edit: Callable[[dict[str, Any]], object] = lambda manifest: None, *, truly: bool = True
) -> Path:
    """Seal a release again whose files are others now, or whose manifest by `edit`: what a forger would do.

    With `truly` what the manifest says of its files is true again, else as it was and as `edit` has it.
    """
    manifest = json.loads((release / "manifest.json").read_text())
    edit(manifest)
    facts = {k: v for k, v in manifest.items() if k != "beside"}
    if truly:
        return sealed(release, facts)
    seal(facts, release)
    return release


def signed(release: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest of any kind as it is, and its digest."""
    text = json.dumps(manifest)
    (release / "manifest.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (release / "manifest.sha256").write_text(f"{digest}  manifest.json\n")


def rewritten(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the rows of a table, with its schema and metadata as they were."""
    schema = pq.read_schema(path)
    pq.write_table(change(pl.read_parquet(path)).to_arrow().select(schema.names).cast(schema), path)
