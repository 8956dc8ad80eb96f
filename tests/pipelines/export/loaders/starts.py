"""Run in a trainer's environment: reads the files by which training on an export starts with the trainer's own parser.

    python starts.py TRAINER EXPORT MODEL_FOLDER

Prints one JSON object: by file, what the trainer understood of some settings.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def llama_factory(export: Path, model: str) -> dict[str, Any]:
    from llamafactory.hparams.parser import get_train_args, read_args

    found = {}
    for file in sorted(export.glob("*.yaml")):
        sys.argv = [
            "llamafactory-cli",
            str(file),
            f"model_name_or_path={model}",
            "use_cpu=true",
            "bf16=false",
        ]  # `train` is taken off before
        _, data, training, finetuning, _ = get_train_args(read_args())
        found[file.name] = {
            "stage": finetuning.stage,
            "dataset": data.dataset,
            "steps": training.gradient_accumulation_steps,
        }
        found[file.name]["media"] = Path(data.media_dir).samefile(export)
    return found


def ms_swift(export: Path, model: str) -> dict[str, Any]:
    from swift.arguments import RLHFArguments, SftArguments
    from swift.cli.main import parse_yaml_args
    from transformers import HfArgumentParser

    found = {}
    for file in sorted(export.glob("*.yaml")):
        argv = [str(file)]
        parse_yaml_args(argv)
        parser = HfArgumentParser([SftArguments if file.stem == "sft" else RLHFArguments])
        read, unknown = parser.parse_known_args(argv)
        found[file.name] = {"unknown": unknown, "dataset": read.dataset, "held": read.val_dataset}
        for name in ("rlhf_type", "reward_funcs", "external_plugins"):
            found[file.name][name] = getattr(read, name, None)
    return found


def verl(export: Path, model: str) -> dict[str, Any]:
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    found = {}
    with initialize_config_module("verl.trainer.config", version_base=None):
        for file, name in (("train.sh", "ppo_trainer"), ("sft.sh", "sft_trainer_engine")):
            config = compose(name, overrides=overrides(export / file, model))
            OmegaConf.to_container(config, resolve=True)
            facts = {"train": list(config.data.train_files)}
            if name == "ppo_trainer":
                reward = config.reward.custom_reward_function
                facts |= {"val": list(config.data.val_files), "reward": [reward.path, reward.name]}
                facts["model"] = config.actor_rollout_ref.model.path
            else:
                facts["model"] = config.model.path
            found[file] = facts
    return found


def overrides(script: Path, model: str) -> list[str]:
    """What a script hands to Hydra: its programs are replaced by ones that print what they are given."""
    with tempfile.TemporaryDirectory() as tools:
        for program in ("python3", "torchrun"):
            (Path(tools) / program).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
            (Path(tools) / program).chmod(0o700)
        environment = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "MODEL": model}
        done = subprocess.run(
            ["bash", str(script)], check=True, capture_output=True, text=True, env=environment, cwd="/"
        )
    return [word for word in done.stdout.splitlines() if "=" in word and not word.startswith("--")]


if __name__ == "__main__":
    os.chdir(sys.argv[2])
    readers = {reader.__name__: reader for reader in (llama_factory, ms_swift, verl)}
    result = readers[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    sys.stdout.write(json.dumps(result) + "\n")
