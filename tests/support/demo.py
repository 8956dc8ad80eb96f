"""Published recipes on a laptop: small models in the place of theirs, small sources, and short replies; their steps stay."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from generators.scenes import iter_scenes, render
from pipelines.job import Compiled, Job, compile_recipe, open_job
from pipelines.steps.as_asked import ask_of

SEES, READS = "reference-vlm", "smollm2-135m-instruct"


def source(path: Path, rows: Iterable[Mapping[str, Any]], **section: Any) -> dict[str, Any]:
    """A source of these rows, written to `path`."""
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"type": "jsonl", "name": path.stem, "path": str(path), **section}


def shown(folder: Path, name: str, rows: Iterable[Mapping[str, Any]], **section: Any) -> dict[str, Any]:
    """A source of these rows, the n-th with the n-th of some procedural scenes as its image."""
    (folder / name).mkdir(parents=True)
    with_images = []
    for n, (row, scene) in enumerate(zip(rows, iter_scenes("curate", 50, seed=3, levels=(1,)), strict=False)):
        render(scene).save(folder / name / f"{n}.png")
        with_images.append({**row, "image": f"{n}.png"})
    return source(folder / name / f"{name}.jsonl", with_images, **section)


def small(recipe: Compiled, sources: Iterable[Mapping[str, Any]], tokens: Mapping[str, int]) -> list[str]:
    """Overrides that make a build small: models by what the steps send them, sources, and the length of replies.

    `tokens` says how long those of a step may be, by its name; others may have 16.
    """
    seeing: set[str] = set()
    overrides = ['driver={"workers": 1}', *([f"sources={json.dumps(given)}"] if (given := list(sources)) else [])]
    for step in recipe.pipeline.steps:
        if (ask := ask_of(step)) is not None:
            seeing |= set(ask.models) if ask.shown else set()
        if step.asks:
            most = min(tokens.get(step.name, 16), step.config.sampling.max_tokens)
            overrides.append(f"steps.{step.name}.sampling.max_tokens={most}")
    for name in recipe.document.models:
        model = {"model": SEES if name in seeing else READS, "engine": "transformers"}
        overrides.append(f"models.{name}={json.dumps(model)}")
    return overrides


def run(
    name: str, out: Path, *sources: Mapping[str, Any], seed: int = 0, overrides: Sequence[str] = (), **tokens: int
) -> Job:
    """Build a recipe whole, of its own sources where none is given, with seeded samples. `tokens` as in `small`;
    `overrides` come last."""
    published = compile_recipe(name)
    seeds = [f"steps.{step.name}.sampling.seed={seed}" for step in published.pipeline.steps if step.asks]
    job = open_job(compile_recipe(name, [*small(published, sources, tokens), *seeds, *overrides]), out)
    job.run()
    return job


def counts(job: Job) -> dict[str, tuple[int, int]]:
    """How many rows each step kept, and how many it dropped."""
    return {record["step"]: (record["kept"], sum(record["dropped"].values())) for record in job.records()}


def reasons(job: Job) -> dict[str, int]:
    """How many rows were dropped, by reason."""
    return {reason: count for record in job.records() for reason, count in record["dropped"].items()}


def loaded(job: Job, config: str, cache: Path) -> Any:
    """A config of the release, as trainers load it."""
    import datasets

    assert job.release is not None
    return datasets.load_dataset(str(job.release), config, split="train", cache_dir=str(cache))
