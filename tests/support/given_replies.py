"""Recipes whose replies are given: steps that ask are replaced by the replies that a source brings; all others stay."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from generators.embedded import SMOLLM2
from pipelines.job import Job, compile_recipe, open_job
from pipelines.recipe.library import find_recipe


def with_given(
    folder: Path,
    base: str,
    rows: Sequence[Mapping[str, Any]],
    insert: Sequence[Mapping[str, Any]],
    remove: Sequence[str],
    columns: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    **source: Any,
) -> Job:
    """The recipe `base` on `rows` alone, built whole, with `insert` for the steps in `remove`."""
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = {"type": "jsonl", "name": "given", "path": str(folder / "rows.jsonl"), "columns": dict(columns), **source}
    models = yaml.safe_load(find_recipe(base).read_text()).get("models", {})  # none of them is asked
    recipe = {
        "name": "given",
        "extends": base,
        "sources": [given],
        "driver": {"workers": 1, "max_retries": 1, "backoff_s": 0.0},
        "models": {name: {"model": SMOLLM2, "engine": "transformers"} for name in models},
        "set": dict(settings or {}),
        "remove": list(remove),
        "insert": list(insert),
    }
    path = folder / "given.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    job = open_job(compile_recipe(str(path)), folder / "out")
    job.run()
    return job


def reasons(job: Job) -> list[str]:
    """Why rows were dropped, sorted."""
    assert job.release is not None
    return pl.read_parquet(job.release / "dropped.parquet")["reason"].sort().to_list()
