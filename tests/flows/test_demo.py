"""`--demo` on the command line: a recipe of large models and far sources runs whole here, in a build of its own."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: product
models:
  looks: {model: big/looker}
sources:
  - {type: huggingface, name: geo, path: big/geometry, schema: geometry3k}
steps:
  - rollout: {model: looks, n: 2, tags: plain}
  - verify: {of: rollout, tags: plain}
  - difficulty: {no_answer: wrong, truncated: wrong}
  - release: {rl: {of: sample}}
"""


def test_a_demo_is_built_checked_and_no_version_of_its_recipe(curate: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    refused = curate("build", "r.yaml", "--demo")
    assert refused.returncode == 2
    assert "r.yaml: this recipe has no demo; write r.demo.yaml beside it" in refused.stderr

    (tmp_path / "r.demo.yaml").write_text("sources: {geo: {n: 3}}\nexpect: {rows: {rl: 3}}\n")
    built = curate("build", "r.yaml", "--demo")
    assert built.returncode == 0, built.stderr
    assert "A demo: it is named product.demo, and nothing of product was changed." in " ".join(built.stdout.split())
    assert "As r.demo.yaml expects." in built.stdout
    [release] = (tmp_path / "curate_out" / "releases").glob("*/v1")
    assert release.parent.name == "product.demo"
    facts = {"models": {"looks": ["big/looker", "reference-vlm"]}}
    facts |= {"sources": {"geo": ["big/geometry", "3 rows of the procedural task number"]}}
    assert json.loads((release / "manifest.json").read_text())["recipe"]["demo"] == facts
    card = (release / "README.md").read_text()
    assert "**A demo, not the dataset.**" in card
    assert "| model `looks`: big/looker | reference-vlm |" in card
    pushed = curate("push", "product.demo", "lab/set", "--dry-run")
    assert "product.demo is a demo, and a demo is not pushed." in " ".join(pushed.stderr.split())

    (tmp_path / "r.demo.yaml").write_text("sources: {geo: {n: 3}}\nexpect: {rows: {rl: 4}, drops: [verify]}\n")
    other = curate("build", "r.yaml", "--demo")
    assert other.returncode == 1
    assert "Not as r.demo.yaml expects: the config 'rl' has 3 rows, not 4 or more." in " ".join(other.stderr.split())
