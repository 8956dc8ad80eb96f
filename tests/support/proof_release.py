"""A small release with true thoughts, a selection and a holdout, for tests of proofs: scenes, their captions as thoughts."""

import json
import shutil
from pathlib import Path

from sealing import resealed

from generators.scenes import caption, iter_scenes, questions, render
from pipelines.job import Job, compile_recipe, open_job
from pipelines.release.card import render_card

RECIPE = """\
name: start
models: {vlm: {model: reference-vlm, engine: transformers}}
sources:
  - {type: jsonl, name: given, path: SOURCE, columns: {tried: [str]}}
  - {type: scenes, name: drawn, n: 8, per_scene: 1, levels: [1]}
steps:
  - unfold: {as: given, column: tried, makes: trace}
  - verify
  - drop: {of: trace, if: {wrong: NOT correct}}
  - rollout: {model: vlm, n: 4, sampling: {max_tokens: 8, seed: 0}, tags: plain}
  - verify: {as: scored, of: rollout, tags: plain}
  - difficulty
  - split: {sft: 0.5, rl: 0.3, holdout: 0.2}
  - select: {budget: 0.6}
  - release:
      sft: {of: trace}
      rl: {of: sample}
      holdout: {of: sample}
"""


def write_source(folder: Path, number: int = 40) -> Path:
    """A question about each of `number` scenes with a right and a wrong trace, whose thought is the caption."""
    rows = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i, scene in enumerate(iter_scenes("curate", number, seed=3, levels=(1,))):
        path = folder / "images" / f"{i}.png"
        render(scene).save(path)
        asked = next(q for q in questions(scene) if q.kind == ("boolean" if i % 2 else "text"))
        tried = [
            f"<think>{caption(scene)}</think>\n<answer>\\boxed{{{said}}}</answer>"
            for said in (asked.answer, "seventeen")
        ]
        row = {"image": str(path), "question": asked.question, "answer": asked.answer, "kind": asked.kind}
        rows.append(json.dumps({**row, "tried": tried}))
    source = folder / "given.jsonl"
    source.write_text("\n".join(rows))
    return source


def built(folder: Path, number: int = 40) -> Job:
    """The release and its build, in the workspace `folder/out`."""
    path = folder / "start.yaml"
    path.write_text(RECIPE.replace("SOURCE", str(write_source(folder, number))))
    job = open_job(compile_recipe(str(path)), folder / "out")
    job.run()
    return job


def without(release: Path, target: Path, config: str) -> Path:
    """A copy of a release that has a config less."""
    shutil.copytree(release, target)
    shutil.rmtree(target / config)
    resealed(target, lambda manifest: manifest["statistics"]["configs"].pop(config))
    manifest = json.loads((target / "manifest.json").read_text())
    (target / "README.md").write_text(render_card(manifest))  # which names the configs to `load_dataset`
    return resealed(target)
