"""A small release with a table of every kind, rollouts, and images inside it or beside it; no model is asked."""

import json
from pathlib import Path

from tiny import write_source

from pipelines.job import compile_recipe, open_job

RECIPE = """\
name: proven
sources:
  - {type: jsonl, name: scenes, path: SOURCE, columns: {tried: [{text: str, model: str}]}}
driver: {workers: 1}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - difficulty
  - drop: {of: sample, if: {easy: "k = n"}}
  - split: {rl: 0.5, sft: 0.5}
  - select: {budget: 4}
  - release: {images: IMAGES, trainer: null, rl: {of: sample}, sft: {of: rollout}}
"""


def proven(folder: Path, images: str = "embed") -> Path:
    """The folder of the release, below a workspace of its own."""
    source = write_source(folder, 12)
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    for number, row in enumerate(rows):
        right = [row["answer"]] * (number % 5) + ["nothing of the kind"] * (4 - number % 5)
        row["tried"] = [{"text": text, "model": "student"} for text in right]
    source.write_text("\n".join(map(json.dumps, rows)))
    recipe = folder / "proven.yaml"
    recipe.write_text(RECIPE.replace("SOURCE", str(source)).replace("IMAGES", images))
    job = open_job(compile_recipe(str(recipe)), folder / "out")
    job.run()
    assert job.release is not None
    return job.release
