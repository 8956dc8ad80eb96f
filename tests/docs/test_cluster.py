"""What docs/cluster.md and its templates name is there."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import ROOT
from typer.main import get_command

from flows.cli import app
from generators.serving.arguments import serve_arguments
from schemas.engine import ModelConfig
from schemas.replicas import RayConfig

PAGE = (ROOT / "docs" / "cluster.md").read_text()
FOLDER = ROOT / "docs" / "cluster"
SCRIPTS, MANIFESTS = sorted(FOLDER.glob("*.sh")), sorted(FOLDER.glob("*.yaml"))


def test_the_table_has_all_keys_of_the_section() -> None:
    table = PAGE.partition("| key of `ray` |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(RayConfig.model_fields)


def test_its_recipe_is_one() -> None:
    block = PAGE.partition("```yaml\n")[2].partition("```")[0]
    model = ModelConfig.model_validate(yaml.safe_load(block)["models"]["vlm"])
    assert (model.engine, model.replica.engine) == ("ray", "vllm")


def test_it_names_all_templates() -> None:
    assert set(re.findall(r"\]\(cluster/([\w.]+)\)", PAGE)) == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_name_options_that_there_are(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    known = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    commands = re.findall(r"\bcurate (build|serve) (.+?) &?\n", script.read_text().replace("\\\n", " "))
    assert commands
    for name, rest in commands:
        assert {word for word in shlex.split(rest) if word.startswith("--")} <= known[name]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_yaml_of_kubernetes(manifest: Path) -> None:
    found = list(yaml.safe_load_all(manifest.read_text()))
    assert found
    assert all({"apiVersion", "kind", "metadata", "spec"} <= set(one) for one in found)
    for line in re.findall(r"^#     (vlm: .*)$", manifest.read_text(), re.MULTILINE):
        assert ModelConfig.model_validate(yaml.safe_load(line)["vlm"]).ray is not None


def test_servers_of_the_manifest_have_the_options_that_curate_serve_gives() -> None:
    (servers,) = (
        one for one in yaml.safe_load_all((FOLDER / "vllm_servers.yaml").read_text()) if one["kind"] != "Service"
    )
    given: list[str] = servers["spec"]["template"]["spec"]["containers"][0]["args"]
    options: dict[str, Any] = dict(word.removeprefix("--").partition("=")[::2] for word in given)
    ours = serve_arguments(ModelConfig(model="reference-vlm"), "0.0.0.0", 8000)
    assert set(options) - {"model"} == {word.removeprefix("--") for word in ours if word.startswith("--")} - {
        "host",
        "port",
    }
    assert yaml.safe_load(options["structured-outputs-config"]) == yaml.safe_load(
        ours[ours.index("--structured-outputs-config") + 1]
    )
