"""Recipes that come with curate, built whole and small (`demo.run`), and what is asserted of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from demo import run
from tiny import records

from generators.scenes import iter_scenes, render
from pipelines.compiler.pipeline import Step
from pipelines.job import Job, compile_recipe


@dataclass(frozen=True)
class Built:
    """A recipe that was built whole: its job, and what is recorded of each step."""

    job: Job
    records: Mapping[str, Mapping[str, Any]]

    @property
    def release(self) -> Path:
        assert self.job.release is not None
        return self.job.release

    def rows(self, of: str, *columns: str) -> pl.DataFrame:
        """The rows of a unit or a step that live at the end, with columns by their names or addresses."""
        return self.job.rows(of, columns)

    def separated(self, step: str) -> bool:
        """Whether a step both kept rows and dropped some."""
        record = self.records[step]
        return bool(record["kept"] and record["dropped"])

    def config(self, name: str) -> Any:
        """A config of the release, as `load_dataset` reads it."""
        from datasets import load_dataset

        cache = self.job.build.workspace.root / "cache"  # releases of one version share their place in a common one
        return load_dataset(str(self.release), name, split="train", cache_dir=str(cache))


def compiled(recipe: str) -> dict[str, Step]:
    """The steps of a recipe as it was published, by their names."""
    return {step.name: step for step in compile_recipe(recipe).pipeline.steps}


def build_small(
    recipe: str,
    folder: Path,
    sources: Sequence[Mapping[str, Any]],
    tokens: Mapping[str, int],
    overrides: Sequence[str] = (),
) -> Built:
    """`demo.run`, and what it recorded."""
    job = run(recipe, folder, *sources, overrides=overrides, **tokens)
    return Built(job, records(job))


def shapes(folder: Path, name: str, rows: Sequence[Mapping[str, str | list[str]]], *, seed: int = 0) -> dict[str, Any]:
    """A source of images of one shape each; `rows` are what is asked, each of an image of its own.

    In texts `{colour}` and `{shape}` stand for those of the image.
    """
    home = folder / name
    home.mkdir(parents=True)
    scenes = (s for s in iter_scenes("curate", 40 * len(rows), seed=seed, levels=(1,)) if len(s.objects) == 1)
    lines = []
    for n, (row, scene) in enumerate(zip(rows, (s for s in scenes if s.digit is None), strict=False)):
        render(scene).save(home / f"{n}.png")
        facts = {"colour": scene.objects[0].colour, "shape": scene.objects[0].shape}
        filled = {
            key: [text.format(**facts) for text in value] if isinstance(value, list) else value.format(**facts)
            for key, value in row.items()
        }
        lines.append(json.dumps({"image": f"{n}.png", **filled}))
    assert len(lines) == len(rows)
    (home / "rows.jsonl").write_text("\n".join(lines))
    return {"type": "jsonl", "name": name, "path": str(home / "rows.jsonl")}


def saying(question: str, words: str, answer: str) -> dict[str, Any]:
    """A row whose question tells a small model what to say."""
    return {"question": f'{question} Say: "{words}"', "answer": answer}
