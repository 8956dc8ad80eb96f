"""A build of a few text questions, for tests of the runner."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
from pydantic import TypeAdapter
from recipe_build import sums

from pipelines.ingest.ingest import IngestConfig
from pipelines.run.build import Build
from pipelines.run.driver_config import DriverConfig
from pipelines.sources.source import Source
from pipelines.store.workspace import Workspace


def questions(path: Path, rows: int = 12) -> Path:
    """A file of `rows` sums with their answers."""
    pl.DataFrame(sums(rows)).write_ndjson(path)
    return path


def tiny_build(root: Path, source: Path, *, buckets: int | None = None, **more: Any) -> Build:
    """A build of one source of numbers; `more` are attributes of the recipe."""
    section = {"type": "jsonl", "name": "sums", "path": str(source), "kind": "number"}
    facts: dict[str, Any] = {
        "name": "tiny",
        "seed": 0,
        "limit": None,
        "models": {},
        "driver": DriverConfig(workers=1),
        "ingest": IngestConfig(),
    }
    recipe = SimpleNamespace(**{**facts, "sources": (TypeAdapter(Source).validate_python(section),), **more})
    workspace = Workspace(root)
    workspace.prepare(recipe.name)
    return Build(recipe, workspace, buckets=buckets)
