"""A trial never becomes the product: builds with --limit or --seed have a name of their own."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from flows.cli import app
from pipelines.job import Job, compile_recipe, open_job

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: product
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: rows, path: ROWS, kind: number}
steps:
  - rollout: {model: m, n: 2, sees: nothing, sampling: {max_tokens: 4, seed: 0}, tags: plain}
  - verify: {of: rollout, tags: plain}
  - difficulty: {no_answer: wrong, truncated: wrong}  # a student that knows nothing of sums
  - split: {rl: 0.5, holdout: 0.5}
  - release: {rl: {of: sample}, holdout: {of: sample}, allow_empty: [rl, holdout]}
"""


def write(folder: Path) -> str:
    rows = ('{"question": "How many sides has a square?", "answer": "4"}',)
    rows += ('{"question": "How many sides has a cube?", "answer": "6"}',)
    (folder / "rows.jsonl").write_text("\n".join(rows))
    (folder / "r.yaml").write_text(RECIPE.replace("ROWS", str(folder / "rows.jsonl")))
    return str(folder / "r.yaml")


def built(folder: Path, *overrides: str, **how: int) -> Job:
    job = open_job(compile_recipe(str(folder / "r.yaml"), overrides, **how), folder / "curate_out")
    job.run()
    return job


def test_no_command_takes_a_trial_for_the_product(curate: Run, tmp_path: Path) -> None:
    write(tmp_path)
    workspace = str(tmp_path / "curate_out")

    def told(*args: str) -> str:
        done = CliRunner().invoke(app, [*args, "-w", workspace])
        return f"{done.exit_code} {done.output}"

    tried = curate("build", "r.yaml", "--limit", "1")
    assert tried.returncode == 0, tried.stderr
    assert "A trial (--limit or --seed): it is named product.trial, and nothing of product was changed." in tried.stdout
    releases = tmp_path / "curate_out" / "releases"
    assert [p.name for p in sorted(releases.iterdir())] == ["product.trial"]
    for command in (("report", "product"), ("export", "product", "trl"), ("card", "product"), ("diff", "product", "x")):
        assert "There is no release 'product'. Releases in" in told(*command)
    assert told("push", "product.trial", "lab/set", "--dry-run").startswith("2 curate: product.trial is a trial, and a")
    assert "1 of 1 samples shown" in told("report", "product.trial"), "it can be looked at by its name"

    product = built(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in product.build.folder.rglob("*")}
    for trial in (built(tmp_path, seed=3), built(tmp_path, "limit=1")):
        assert trial.build.folder.name == "product.trial"
    assert [p.name for p in (releases / "product").iterdir()] == ["v1"]
    assert before == {p: p.stat().st_mtime_ns for p in product.build.folder.rglob("*")}
    assert "2 of 2 samples shown" in told("report", "product")
    assert "│            2 │" in told("query", "SELECT count(*) FROM samples"), "of the product, not of the trial"


def test_a_trial_is_split_like_the_release_before_it_and_its_own_release_binds_nobody(tmp_path: Path) -> None:
    """It shows what a build would do."""
    write(tmp_path)
    alone = built(tmp_path, "steps.split={rl: 1.0, holdout: 0.0}", seed=1).rows("sample", ["side"])
    assert set(alone["side"]) == {"rl"}
    product = built(tmp_path).rows("sample", ["side"]).to_dicts()
    assert {row["side"] for row in product} == {"rl", "holdout"}, "the trial before it binds nobody"
    after = built(tmp_path, "steps.split={rl: 0.9, holdout: 0.1}", seed=1).rows("sample", ["side"])
    assert after.to_dicts() == product
