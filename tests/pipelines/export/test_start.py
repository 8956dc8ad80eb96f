"""The files by which training on an export starts: read by the trainers' own parsers, or by what those would do."""

import ast
import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sealing import resealed

from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.write import export

NAMED = ("trl", "llama_factory", "axolotl", "unsloth", "inspect", "verifiers")
READS: dict[str, Callable[[str], object]] = {".py": ast.parse, ".yaml": yaml.safe_load, ".toml": tomllib.loads}
STARTING = [name for name, exporter in EXPORTERS.items() if exporter.starts]


def made(release: Path, trainer: str, target: Path) -> Path:
    export(open_release(str(release), Path()), exporter_of(trainer), target)
    return target


def started(folder: Path) -> set[str]:
    """The files that start something: configs, scripts, and programs that a line of the README runs."""
    readme = (folder / "README.md").read_text("utf-8")
    programs = {path.name for path in folder.glob("*.py") if f"\npython {path.name}" in readme}
    return programs | {path.name for path in folder.iterdir() if path.suffix in (".yaml", ".sh", ".toml")} - {
        "pyproject.toml"
    }


def words_of(script: Path, tools: Path) -> list[str]:
    """What a script hands to the program that it starts, run from a folder that is not its own."""
    tools.mkdir(exist_ok=True)
    for program in ("python", "python3", "torchrun", "ray", "uv", "rllm", "inspect"):
        (tools / program).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tools / program).chmod(stat.S_IRWXU)
    (tools / "scripts" / "models").mkdir(parents=True, exist_ok=True)
    (tools / "scripts" / "models" / "qwen3-4B.sh").write_text("MODEL_ARGS=(--num-layers 36)\n")  # as slime has it
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    environment = {"SLIME": str(tools), "ARCH": "qwen3-4B", "HOME": str(tools), "PATH": path}
    done = subprocess.run(
        ["bash", str(script), "last=1"], check=True, capture_output=True, text=True, env=environment, cwd=tools
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("trainer", STARTING)
def test_what_a_start_names_is_there_wherever_the_export_is_moved(shapes: Path, trainer: str, tmp_path: Path) -> None:
    first = made(shapes, trainer, tmp_path / "first")
    home = tmp_path / "some where else"
    first.rename(home)
    exporter = EXPORTERS[trainer]
    assert started(home) == {f"{start.sheet}.{start.suffix}" for start in exporter.starts}
    for name in started(home):
        text = (home / name).read_text("utf-8")
        assert str(tmp_path) not in text
        if name.endswith(".sh"):
            words = words_of(home / name, tmp_path / "tools")
            assert words[-1] == "last=1"
            named = re.findall(rf"{re.escape(str(home))}/([\w./-]+)", "\n".join(words))
        else:
            assert READS[Path(name).suffix](text)
            named = re.findall(r"(?<![\w/])(?:\./)?([\w-]+/part-\d+\.parquet|[\w-]+\.(?:py|jinja|jsonl))\b", text)
        assert all((home / path).exists() for path in named)
        assert named or trainer in NAMED, "those name datasets, which their own tests load"


@pytest.mark.parametrize("trainer", STARTING)
def test_a_set_that_is_not_there_is_in_no_start(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release()
    for config in ("preference", "holdout"):
        shutil.rmtree(release / config)
    (release / "sft").rename(release / "cold")
    resealed(release)
    home = made(release, trainer, tmp_path / "out")
    absent = {sheet.name for sheet in EXPORTERS[trainer].sheets if sheet.split in ("preference", "holdout", "sft")}
    readme = (home / "README.md").read_text("utf-8")
    for start in EXPORTERS[trainer].starts:
        file = f"{start.sheet}.{start.suffix}"
        assert (home / file).exists() == (start.sheet not in absent) == (file in re.split(r"[ =\n]", readme))
        split = next(sheet.split for sheet in EXPORTERS[trainer].sheets if sheet.name == start.sheet)
        if split == "sft":
            assert f"{start.sheet}_cold" in (home / f"{start.sheet}_cold.{start.suffix}").read_text("utf-8")
    for name in started(home):
        words = re.findall(r"[\w-]+", (home / name).read_text("utf-8"))
        assert not (absent - {"sft"}) & set(words)


@pytest.mark.parametrize("trainer", [name for name, exporter in EXPORTERS.items() if exporter.reward is not None])
def test_prompts_of_another_name_are_what_is_trained_on(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release()
    (release / "rl").rename(release / "hard")
    resealed(release)
    home = made(release, trainer, tmp_path / "out")
    [own] = [sheet.name for sheet in EXPORTERS[trainer].sheets if sheet.split == "rl"]
    for start in EXPORTERS[trainer].starts:
        if start.sheet == own:
            assert not (home / f"{own}.{start.suffix}").exists()
            assert f"{own}_hard" in (home / f"{own}_hard.{start.suffix}").read_text("utf-8")
    ours = [
        path
        for path in home.rglob("*")
        if not path.relative_to(home).parts[0].startswith("curate_reward_") or path.parent == home
    ]
    texts = [path for path in ours if path.suffix in (".md", ".py", ".sh", ".yaml", ".toml")]
    gone = re.compile(rf"(?<![\w.-]){own}(?=/|\.jsonl\b)")
    assert [path.name for path in texts if gone.search(path.read_text("utf-8"))] == []


EASYR1: dict[str, Any] = {
    "data": dict.fromkeys(
        (
            "train_files",
            "val_files",
            "prompt_key",
            "answer_key",
            "image_key",
            "video_key",
            "image_dir",
            "format_prompt",
        ),
        str,
    )
    | dict.fromkeys(("max_prompt_length", "max_response_length", "rollout_batch_size", "val_batch_size", "seed"), int),
    "algorithm": {"adv_estimator": str, "use_kl_loss": bool, "disable_kl": bool, "kl_penalty": str, "kl_coef": float},
    "worker": {
        "actor": {
            "global_batch_size": int,
            "model": {"model_path": str},
            "optim": {"lr": float, "weight_decay": float},
        },
        "rollout": {"n": int, "temperature": float, "tensor_parallel_size": int},
        "reward": {"reward_function": str, "num_cpus": int},
    },
    "trainer": {
        "total_epochs": int,
        "logger": list,
        "experiment_name": str,
        "project_name": str,
        "n_gpus_per_node": int,
    }
    | {"val_before_train": bool, "val_freq": int},
}
"""What hiyouga/EasyR1 b44b311 takes of these settings: `verl/trainer/config.py`, `verl/workers/*/config.py`. OmegaConf
merges a file into them and refuses other names and types."""


def typed(config: Any) -> Any:
    return {name: typed(value) for name, value in config.items()} if isinstance(config, dict) else type(config)


def check_known(found: Any, known: Any, place: str = "") -> None:
    for name, kind in found.items():
        assert name in known, f"EasyR1 knows no {place}{name}"
        if isinstance(kind, dict):
            check_known(kind, known[name], f"{place}{name}.")
        else:
            assert kind is known[name], f"{place}{name}"


def test_easyr1_knows_what_its_config_says(shapes: Path, tmp_path: Path) -> None:
    home = made(shapes, "easyr1", tmp_path / "out")
    config = yaml.safe_load((home / "train.yaml").read_text("utf-8"))
    check_known(typed(config), EASYR1)
    data, reward = config["data"], config["worker"]["reward"]["reward_function"]
    # Its runner is a process of Ray: datasets are named from the root, what `get_abs_path` looks up from the folder.
    assert (data["train_files"], data["val_files"]) == ("${oc.env:PWD}/train", "${oc.env:PWD}/val")
    assert (home / data["format_prompt"]).is_file() and (home / reward.rsplit(":", 1)[0]).is_file()
    assert config["data"]["rollout_batch_size"] % config["worker"]["actor"]["global_batch_size"] == 0
