"""The first recipe that anybody writes: ten images, a CSV, and the defaults."""

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl

from generators.scenes import iter_scenes, questions, render

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: mine
models:
  vlm: {model: reference-vlm}
sources:
  - {type: csv, name: shapes, path: rows.csv}
steps:
  - rollout: {model: vlm, n: 4}
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""


def write(folder: Path) -> str:
    with (folder / "rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "question", "answer"])
        for i, scene in enumerate(iter_scenes("curate", 10, seed=3, levels=(1,))):
            render(scene).save(folder / f"{i}.png")
            asked = next(q for q in questions(scene) if q.kind == "text")
            rows.writerow([f"{i}.png", asked.question, asked.answer])
    (folder / "mine.yaml").write_text(RECIPE)
    return "mine.yaml"


def test_the_defaults_give_rows_and_a_schema_that_nobody_was_asked_for_is_an_error(curate: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path)
    done = curate("build", recipe)
    assert done.returncode == 0, done.stderr
    releases = tmp_path / "curate_out" / "releases" / "mine"
    assert pl.read_parquet(releases / "v1" / "rl" / "*.parquet").height > 0
    assert "Warning" not in done.stderr

    # Replies that nobody asked to hold tags hold none: nothing was measured, and that is neither success nor "too hard".
    failed = curate(
        "build", recipe, "--set", "steps.rollout.tags=think_answer", "--set", "steps.verify.tags=think_answer"
    )
    assert failed.returncode == 1
    said = " ".join(failed.stderr.split())
    assert "mine.yaml:7: rollout: 'think_answer' looks for the answer after <answer>, and neither `system`" in said
    assert "10 difficulty:unmeasured" in failed.stderr.splitlines()[-1]
    assert "allow_empty: [rl]" in failed.stderr.splitlines()[-1]
    assert [path.name for path in releases.iterdir() if path.is_dir()] == ["v1"]
