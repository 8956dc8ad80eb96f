"""A small recipe of most kinds of steps, built with the real reference model, for tests of whole builds."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from flows.funnel import funnel_rows
from generators.scenes import iter_scenes, questions, render
from pipelines.job import Job, compile_recipe, open_job
from pipelines.store.completions import CompletionsLog
from pipelines.store.step_tables import DROPS, ROWS, STEP_DROPS, part

RECIPE = r"""
name: tiny
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: scenes, path: SOURCE}
steps:
  - caption: {model: vlm, sampling: {temperature: 0.0, max_tokens: 64}}
  - distill:
      model: vlm
      sees: nothing
      prompt: "{{ question }}"
      n: 2
      sampling: {temperature: 1.0, max_tokens: 8, seed: 0}
      answer_pattern: (?P<answer>.+)
  - verify
  - drop: {of: trace, if: {no_answer: final IS NULL, wrong: NOT correct, unscored: correct IS NULL}}
  - quality: {thought: true}
  - rollout: {model: vlm, n: 4, sampling: {max_tokens: 8, seed: 0}, tags: plain}
  - verify: {as: scored, of: rollout, tags: plain}
  - difficulty
  - dedup
  - split: {sft: 0.5, rl: 0.4, holdout: 0.1}
  - select: {budget: 0.8}
  - pair: {of: rollout, chosen: correct, rejected: NOT correct, cap: 2, once: true, bare: true}
  - release:
      sft: {of: trace, columns: [caption]}
      rl: {of: sample}
      holdout: {of: sample}
      preference: {of: pair, where: side = 'rl'}
      allow_empty: [sft, rl, holdout, preference]
"""

Edit = Callable[[dict[str, Any]], object]


def write_source(folder: Path, number: int, name: str = "scenes.jsonl") -> Path:
    """One question about each of `number` scenes; row i is the same whatever the number."""
    rows = []
    (folder / "images").mkdir(exist_ok=True)
    for i, scene in enumerate(iter_scenes("curate", number, seed=3, levels=(1,))):
        path = folder / "images" / f"{i}.png"
        if not path.exists():
            render(scene).save(path)
        # Yes or no every other time: there, even a reasoner that sees nothing is right now and then.
        asked = next(q for q in questions(scene) if q.kind == ("boolean" if i % 2 else "text"))
        rows.append({"image": str(path), "question": asked.question, "answer": asked.answer, "kind": asked.kind})
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows))
    return folder / name


def section(recipe: dict[str, Any], step: str) -> dict[str, Any]:
    """The section of a step of a recipe, by its name, to be changed in place."""
    for place, entry in enumerate(recipe["steps"]):
        type_, given = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        if step in (type_, given.get("as")):
            recipe["steps"][place] = {type_: given}
            return given  # type: ignore[no-any-return]
    raise KeyError(step)


def without(*steps: str) -> Edit:
    """An edit that leaves steps out, by their names."""

    def edit(recipe: dict[str, Any]) -> None:
        gone = [id(section(recipe, step)) for step in steps]
        recipe["steps"] = [e for e in recipe["steps"] if isinstance(e, str) or id(next(iter(e.values()))) not in gone]

    return edit


def job(
    folder: Path, *overrides: str, out: Path | None = None, replay: bool = False, edit: Edit | None = None, **how: Any
) -> Job:
    """The recipe over a folder's source, not yet built. `out` is another workspace than the folder's own, `overrides` are
    those of `--set`, and `edit` changes the recipe's mapping before it is read."""
    recipe = yaml.safe_load(RECIPE.replace("SOURCE", str(folder / "scenes.jsonl")))
    if edit is not None:
        edit(recipe)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return open_job(compile_recipe(str(path), overrides), out or folder / "out", replay=replay, **how)


def built(folder: Path, *overrides: str, **how: Any) -> Job:
    """The same, built."""
    found = job(folder, *overrides, **how)
    found.run()
    return found


def records(job: Job) -> dict[str, dict[str, Any]]:
    """What a finished build recorded of each step, by its name."""
    return {record["step"]: record for record in job.records()}


def asked(job: Job) -> dict[str, int]:
    """Samples that models were asked for in the last build, by step; 0 for a step that found all of them in the log."""
    funnel = funnel_rows(job.records(), job.runner.record.run)
    return {row["step"]: row["asked"] for row in funnel if records(job)[row["step"]].get("asked") is not None}


def rows(job: Job, step: str, table: str = ROWS) -> pl.DataFrame:
    """What a step wrote: its rows, its drops or a table of its own."""
    found = (part(job.build.folder / step, table, bucket) for bucket in range(job.runner.record.buckets))
    none = [pl.DataFrame(schema=STEP_DROPS)] if table == DROPS else []  # where nothing dropped there is no file
    return pl.concat([*none, *(pl.read_parquet(path) for path in found if path.is_file())])


def dropped(job: Job, step: str) -> pl.DataFrame:
    """`id, reason, evidence, …` of what a step dropped."""
    return rows(job, step, DROPS)


def release(job: Job) -> Path:
    """The folder of the release that a build made."""
    assert job.release is not None
    return job.release


def config(job: Job, name: str) -> pl.DataFrame:
    """The rows of a config of the release; none where it has no file."""
    files = sorted((release(job) / name).glob("*.parquet"))
    return pl.read_parquet(files) if files else pl.DataFrame()


def manifest(job: Job) -> dict[str, Any]:
    """The manifest of the release."""
    found: dict[str, Any] = json.loads((release(job) / "manifest.json").read_text())
    return found


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a release."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def logged(out: Path) -> int:
    """Completions in a workspace's log."""
    return CompletionsLog(out / "log" / "completions").scan().collect().height
