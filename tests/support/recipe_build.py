"""Builds of recipe files, for tests of what is computed again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipelines.job import Job, compile_recipe, open_job


def write_recipe(folder: Path, steps: Sequence[Any], rows: Sequence[dict[str, Any]], **head: Any) -> Path:
    """`recipe.yaml` of one source of numbers, with the file of its rows beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    data, path = folder / "rows.jsonl", folder / "recipe.yaml"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"type": "jsonl", "name": "sums", "path": str(data), "kind": "number"}
    path.write_text(
        yaml.safe_dump({"name": "tiny", "sources": [source], **head, "steps": list(steps)}, sort_keys=False)
    )
    return path


def sums(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows of the source: sums with their answers."""
    return [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(first, first + count)]


def opened(recipe: Path, workspace: Path, *overrides: str, **how: Any) -> Job:
    """The job, before one."""
    return open_job(compile_recipe(str(recipe), overrides), workspace, **how)


def built(recipe: Path, workspace: Path, *overrides: str, **how: Any) -> Job:
    """The job, after a build."""
    job = opened(recipe, workspace, *overrides, **how)
    job.run()
    return job
