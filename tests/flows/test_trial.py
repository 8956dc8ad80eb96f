"""A trial never becomes the product: builds with --limit or --seed have a name of their own."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pipelines.build import run_build
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.road.steps.split import released_sides
from typer.testing import CliRunner

from flows.cli import app
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: product
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: rows, path: ROWS}
rollouts: {model: m, n: 2, sampling: {max_tokens: 4}, tags: plain}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
difficulty: {no_answer: wrong, truncated: wrong}  # a student that knows nothing of sums
"""


def write(folder: Path) -> Path:
    rows = ('{"question": "How many sides has a square?", "answer": "4", "kind": "number"}',)
    rows += ('{"question": "How many sides has a cube?", "answer": "6", "kind": "number"}',)
    (folder / "rows.jsonl").write_text("\n".join(rows))
    (folder / "r.yaml").write_text(RECIPE.replace("ROWS", str(folder / "rows.jsonl")))
    return folder / "r.yaml"


def test_no_command_takes_a_trial_for_the_product(curate: Run, tmp_path: Path) -> None:
    path = write(tmp_path)
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

    product = Build(load_recipe(str(path)), Workspace(Path(workspace)))
    run_build(product)
    before = {p: p.stat().st_mtime_ns for p in product.workspace.build("product").rglob("*")}
    run_build(Build(load_recipe(str(path), seed=3), product.workspace))
    run_build(Build(load_recipe(str(path), ("limit=1",)), product.workspace))
    assert [p.name for p in (releases / "product").iterdir()] == ["v1"]
    assert before == {p: p.stat().st_mtime_ns for p in product.workspace.build("product").rglob("*")}
    assert "2 of 2 samples shown" in told("report", "product")
    assert "│            2 │" in told("query", "SELECT count(*) FROM samples"), "of the product, not of the trial"


def test_a_trial_is_not_pushed_on_a_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    recipe = str(write(tmp_path))
    done = CliRunner().invoke(app, ["schedule", recipe, "--cron", "0 3 * * *", "--limit", "1", "--push", "lab/set"])
    assert done.exit_code == 2 and "a trial is not pushed" in done.output


@pytest.mark.parametrize(
    ("overrides", "more", "name"),
    [
        ((), {}, "product"),
        ((), {"limit": 2}, "product.trial"),
        ((), {"seed": 0}, "product.trial"),
        (("limit=2",), {}, "product.trial"),
        (("seed=2",), {}, "product.trial"),
        (("sources.0.limit=2",), {}, "product.trial"),
        (("rollouts.sampling.seed=2",), {}, "product"),
        (("rollouts.n=3", "description=limit"), {}, "product"),
    ],
)
def test_what_makes_a_build_a_trial(
    tmp_path: Path, overrides: tuple[str, ...], more: dict[str, int], name: str
) -> None:
    assert load_recipe(str(write(tmp_path)), overrides, **more).name == name


def test_a_limit_of_the_recipe_itself_is_no_trial(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "limit: 1\nseed: 4\n")
    assert load_recipe(str(path)).name == "product"


def test_no_recipe_may_be_named_like_a_trial(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("name: product", "name: product.trial", 1))
    with pytest.raises(ConfigError, match=r"r\.yaml:1: 'name': \.trial ends the names of builds with --limit"):
        load_recipe(str(path))


def test_a_trial_goes_on_from_what_was_released_and_leaves_no_mark_on_it(tmp_path: Path) -> None:
    """It shows what a build would do, so rows that were released keep their sides in it; its own releases bind nobody."""
    path = str(write(tmp_path))
    trial = Build(load_recipe(path, limit=1), Workspace(tmp_path / "out"))
    assert trial.workspace.former(trial.recipe.name) == tmp_path / "out" / "releases" / "product"
    assert trial.folder(road(trial).stage("split")) == tmp_path / "out" / "builds" / "product.trial" / "split"
    assert released_sides(trial) is None
