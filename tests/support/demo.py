"""Published recipes on a laptop: small models in the place of theirs, small sources, and short replies; their steps stay."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from generators.asking.config import AskConfig
from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled, Job, compile_recipe, open_job
from pipelines.store.step_tables import ROWS, part

SEES, READS = "reference-vlm", "smollm2-135m-instruct"


def source(path: Path, rows: Iterable[Mapping[str, Any]], **section: Any) -> dict[str, Any]:
    """A source of these rows, written to `path`."""
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"type": "jsonl", "name": path.stem, "path": str(path), **section}


def scenes(n: int, **section: Any) -> dict[str, Any]:
    """A source of `n` procedural scenes, one easy question about each."""
    return {"type": "scenes", "name": "scenes", "n": n, "per_scene": 1, "levels": [1], **section}


def ask_of(step: Step) -> AskConfig | None:
    """What an asking step stands for; None where it asks nothing."""
    found = step.type.expand(step.config) if step.type.expand is not None else step.config
    return found if isinstance(found, AskConfig) else None


def small(recipe: Compiled, sources: Iterable[Mapping[str, Any]], tokens: int) -> list[str]:
    """Overrides that make a build small: models by what the steps send them, sources, and the length of replies."""
    seeing: set[str] = set()
    overrides = [f"sources={json.dumps(list(sources))}", 'driver={"workers": 1}']
    for step in recipe.pipeline.steps:
        if (ask := ask_of(step)) is not None:
            seeing |= set(ask.models) if ask.shown else set()
            overrides.append(f"steps.{step.name}.sampling.max_tokens={min(tokens, ask.sampling.max_tokens)}")
    for name in recipe.document.models:
        model = {"model": SEES if name in seeing else READS, "engine": "transformers"}
        overrides.append(f"models.{name}={json.dumps(model)}")
    return overrides


def run(name: str, out: Path, *sources: Mapping[str, Any], tokens: int = 16, also: Iterable[str] = ()) -> Job:
    """Build a recipe whole; `also` are overrides of its own."""
    overrides = [*small(compile_recipe(name), sources, tokens), *also]
    job = open_job(compile_recipe(name, overrides), out)
    job.run()
    return job


def counts(job: Job) -> dict[str, tuple[int, int]]:
    """How many rows each step kept, and how many it dropped."""
    return {record["step"]: (record["kept"], sum(record["dropped"].values())) for record in job.records()}


def reasons(job: Job) -> dict[str, int]:
    """How many rows were dropped, by reason."""
    return {reason: count for record in job.records() for reason, count in record["dropped"].items()}


def rows(job: Job, step: str) -> pl.DataFrame:
    """What a step wrote."""
    found = (part(job.build.folder / step, ROWS, bucket) for bucket in range(job.runner.record.buckets))
    return pl.concat([pl.read_parquet(path) for path in found if path.is_file()])


def loaded(job: Job, config: str, cache: Path) -> Any:
    """A config of the release, as trainers load it."""
    import datasets

    assert job.release is not None
    return datasets.load_dataset(str(job.release), config, split="train", cache_dir=str(cache))
