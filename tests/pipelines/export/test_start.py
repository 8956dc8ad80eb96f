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
import shaped_release
import yaml
from sealing import resealed

from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.starting import batch
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


BATCHES = {
    "trl": {"sft.yaml": 1, "grpo.yaml": 8, "dpo.yaml": 1},
    "llama_factory": {"sft.yaml": 1, "dpo.yaml": 1},
    "ms_swift": {"sft.yaml": 1, "grpo.yaml": 8, "dpo.yaml": 1},
    "verl": {"train.sh": 1, "sft.sh": 1},
    "easyr1": {"train.yaml": 1},
    "openrlhf": {"train.sh": 8},
    "axolotl": {"sft.yaml": 1},
    "unsloth": {"sft.py": 1},
    "roll": {"roll/train.yaml": 1},
    "skyrl": {"train.sh": 1},
    "nemo_rl": {"train.sh": 16, "sft.sh": 1},
    "rllm": {"train.sh": 1},
    "verifiers": {"rl.toml": 8},
}
"""The files of an export that say how many rows an update has, and the most replies that they count for a row."""
SIZE = re.compile(
    r"""\b(?:(?:train_|policy_mini_|ppo_mini_|rollout_|generation_|train_global_|global_)?batch[_-]size|num_prompts_per_step
    |gradient_accumulation_steps)"?\s*[=:\s]\s*(\d+)""",
    re.VERBOSE,
)


@pytest.mark.parametrize("trainer", BATCHES)
@pytest.mark.parametrize("count", [5, 1])
def test_an_epoch_of_few_rows_has_an_update(
    make_release: Callable[..., Path], trainer: str, count: int, tmp_path: Path
) -> None:
    """verl, EasyR1, SkyRL, ROLL and NeMo-RL drop the rows that fill no batch; with OpenRLHF 5 // 128 steps are none."""
    home = made(make_release(shaped_release.ROWS[:count]), trainer, tmp_path / "out")
    fits = 4 if count == 5 else 1
    for file, replies in BATCHES[trainer].items():
        sizes = [int(size) for size in SIZE.findall((home / file).read_text("utf-8"))]
        prompts = 1 if (trainer, file) == ("trl", "grpo.yaml") else fits  # which takes rows of several kinds one by one
        assert sizes and max(sizes) == prompts * replies, (file, sizes)


def test_every_trainer_that_an_export_starts_has_its_batches_looked_at() -> None:
    assert set(STARTING) - set(BATCHES) == {"inspect", "areal", "slime"}, "inspect does not train"


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 64, 127, 128, 100_000])
def test_a_batch_is_at_most_the_rows_that_there_are(rows: int) -> None:
    assert batch(128, rows) <= min(128, rows) < 2 * batch(128, rows) or batch(128, rows) == 128


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


RATES = {
    ("trl", "sft.yaml"): 1e-5, ("trl", "grpo.yaml"): 1e-6, ("trl", "dpo.yaml"): 1e-6,
    ("ms_swift", "sft.yaml"): 1e-4, ("ms_swift", "grpo.yaml"): 1e-5, ("ms_swift", "dpo.yaml"): 5e-6,
    ("verl", "train.sh"): 1e-6, ("verl", "sft.sh"): 1e-5,
}  # fmt: skip


@pytest.mark.parametrize(("trainer", "file"), RATES)
def test_rates_are_those_of_what_is_trained(shapes: Path, trainer: str, file: str, tmp_path: Path) -> None:
    """All weights with 1e-5 for replies and 1e-6 for rewards and pairs; ten times that, or more, for LoRA."""
    text = (made(shapes, trainer, tmp_path / "out") / file).read_text("utf-8")
    if file.endswith(".yaml"):
        assert float(yaml.safe_load(text)["learning_rate"]) == RATES[trainer, file]
    else:
        [rate] = re.findall(r"optim\.lr=(\S+)", text)
        assert float(rate) == RATES[trainer, file] and ("warmup" in text) == (file == "sft.sh")


@pytest.mark.parametrize("trainer", ["verl", "skyrl", "nemo_rl"])
def test_a_folder_of_any_name_is_one_value_to_hydra(shapes: Path, trainer: str, tmp_path: Path) -> None:
    """Hydra's grammar and YAML agree on what is in double quotes."""
    home = made(shapes, trainer, tmp_path / "out").rename(tmp_path / "Müller's set ~=1 (a) [b] #2 & c, d")
    seen = 0
    for script in home.glob("*.sh"):
        for word in words_of(script, tmp_path / "tools"):
            if str(home) in word and re.match(r"[+\w.]+=", word):
                found = yaml.safe_load(word.partition("=")[2])
                paths = found if isinstance(found, list) else [found]
                assert all(Path(path).exists() and Path(path).is_relative_to(home) for path in paths), word
                seen += len(paths)
    assert seen >= 2


@pytest.mark.parametrize(("images", "prompts"), [((1,), 4), ((0,), 4), ((0, 1), 1)])
def test_trl_gets_several_prompts_an_update_where_all_rows_are_of_one_kind(
    make_release: Callable[..., Path], images: tuple[int, ...], prompts: int, tmp_path: Path
) -> None:
    """Its processors take no rows without images beside rows with some."""
    rows = [row for row in shaped_release.ROWS if row[1] in images]
    home = made(make_release((rows * 5)[:5]), "trl", tmp_path / "out")
    sizes = [int(size) for size in SIZE.findall((home / "grpo.yaml").read_text("utf-8"))]
    assert max(sizes) == 8 * prompts
