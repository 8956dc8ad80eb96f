"""A small recipe that takes the whole road with the real reference model."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from generators.scenes import iter_scenes, questions, render
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.store.completions import CompletionsLog
from pipelines.store.workspace import Workspace

RECIPE = """\
name: tiny
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: scenes, path: SOURCE}
caption: {model: vlm, sampling: {temperature: 0.0, max_tokens: 24}}
distill:
  model: vlm
  prompt: "{question}"
  n: 2
  sampling: {temperature: 1.0, max_tokens: 8, seed: 0}
  answer_pattern: (?P<answer>.+)
traces: {beats_chance: false}  # its teacher guesses
rollouts: {model: vlm, n: 4, sampling: {max_tokens: 8, seed: 0}, tags: plain}
dedup: {}
split: {sft: 0.5, rl: 0.4, holdout: 0.1}
select: {budget: 0.8}
preference: {per_prompt: 2}
release: {allow_empty: [sft, rl, holdout, preference]}
"""


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


def make(folder: Path, *overrides: str, out: Path | None = None, replay: bool = False) -> Build:
    """The build of a folder's source; `out` is another workspace than the folder's own."""
    if "distill=null" in overrides:
        overrides = ("traces={}", *overrides)
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE.replace("SOURCE", str(folder / "scenes.jsonl")))
    return Build(load_recipe(str(recipe), overrides), Workspace(out or folder / "out"), replay=replay)


def digests(release: Path) -> dict[str, str]:
    """The SHA-256 of every file of a release."""
    files = (p for p in sorted(release.rglob("*")) if p.is_file())
    return {str(p.relative_to(release)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def logged(out: Path) -> int:
    """Completions in a workspace's log."""
    return CompletionsLog(out / "log" / "completions").scan().collect().height


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """The functions above."""
    return SimpleNamespace(write_source=write_source, make=make, digests=digests, logged=logged)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a finished folder's workspace, so that a test may go on from there."""

    def copy(finished: Path) -> Path:
        shutil.copytree(finished / "out", tmp_path / "out")
        return tmp_path / "out"

    return copy
