"""ROLL: parquet of turns with marks and images inside, a worker class as our reward, and a config of both.

From alibaba/ROLL 8eb27cc (August 2026): `roll/datasets/vlm_dataset_utils.py` reads `prompt`, `images`, `data_source` (which
becomes the `tag`) and `reward_model.ground_truth`, renders the turns with the processor's template, and then puts Qwen's
image tokens where `<image>` is left; for models that see none, `roll/pipeline/rlvr/rlvr_pipeline.py` reads `messages` and
`tag`. A tag chooses a domain by `tag_included`, and a domain its reward, whose class `roll/distributed/executor` makes in a
process of its own and whose `compute_rewards` gets tokens and the column `ground_truth`. It cannot skip a row, so those
that only a judge can grade are dropped.
"""

from typing import Any

import pyarrow as pa
import yaml

from pipelines.export.conversation import marked
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, embedded, gradable, ground_truth, rl_sheets
from pipelines.export.starting import GROUP, as_script, batch
from pipelines.release.parquet_shards import IMAGES, TURNS

REWARD = '''

import torch
from roll.distributed.executor.worker import Worker
from roll.distributed.scheduler.decorator import Dispatch, register
from roll.distributed.scheduler.protocol import DataProto
from roll.models.model_providers import default_tokenizer_provider


class CurateRewardWorker(Worker):
    """A score in [0, 1] for each response of a batch."""

    def __init__(self, worker_config):
        super().__init__(worker_config=worker_config)
        self.rank_info.dp_rank = self.rank_info.rank
        self.rank_info.dp_size = self.rank_info.world_size
        self.tokenizer = default_tokenizer_provider(model_args=self.worker_config.model_args)

    @register(dispatch_mode=Dispatch.ONE_TO_ALL)
    def initialize(self, pipeline_config):
        pass

    @register(dispatch_mode=Dispatch.DP_MP_COMPUTE, clear_cache=False)
    def compute_rewards(self, data):
        tokens = data.batch["responses"]
        said = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        graded = _verifier().graded(said, _held(data.non_tensor_batch, "ground_truth"), FORMAT_WEIGHT)
        rewards = torch.tensor([one["score"] for one in graded], dtype=torch.float32)
        correct = torch.tensor([one["accuracy"] for one in graded], dtype=torch.float32)
        of_tokens = torch.zeros_like(tokens, dtype=torch.float32)
        return DataProto.from_dict(
            tensors={"token_level_rewards": of_tokens, "response_level_rewards": rewards, "scores": correct}
        )
'''
TAG = "curate"
"""The tag of all rows: one domain, whose reward is ours."""
_FIELDS: dict[str, pa.DataType] = {
    "tag": pa.string(),
    "data_source": pa.string(),
    "prompt": TURNS,
    "messages": TURNS,
    "images": IMAGES,
    "ground_truth": pa.string(),
    "reward_model": pa.struct({"style": pa.string(), "ground_truth": pa.string()}),
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, under both names that ROLL's pipelines read it by, and all that its reward needs."""
    gradable(row)
    turns, truth = marked(row), ground_truth(row)
    return {
        **dict.fromkeys(("tag", "data_source"), TAG),
        **dict.fromkeys(("prompt", "messages"), turns),
        "images": embedded(row),
        "ground_truth": truth,
        "reward_model": {"style": "rule", "ground_truth": truth},
    }


_MAIN = '''"""ROLL's own pipeline with the config beside this file: see {name}.sh."""

import sys
from pathlib import Path

from dacite import from_dict
from omegaconf import OmegaConf
from roll.distributed.scheduler.initialize import init
from roll.pipeline.rlvr.{module} import {pipeline}, RLVRConfig

HERE = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    config = OmegaConf.merge(OmegaConf.load(HERE / "roll" / "{config}"), OmegaConf.from_dotlist(sys.argv[1:]))
    config = OmegaConf.to_container(config, resolve=True)
    for part in (config["actor_train"], config.get("validation") or {{}}):
        if "data_args" in part:
            part["data_args"]["file_name"] = [str(HERE / name) for name in part["data_args"]["file_name"]]
    chosen = from_dict(data_class=RLVRConfig, data=config)
    init()
    {pipeline}(pipeline_config=chosen).run()
'''
_DEVICES = "list(range(0,8))"  # eight GPUs, so that an update of `prompts` groups of eight is `prompts` replies on each


def _config(exported: Exported, sheet: str) -> dict[str, Any]:
    model = {"model_name_or_path": "${pretrain}", "flash_attn": "fa2", "attn_implementation": "fa2", "dtype": "bf16"}
    placed = {"device_mapping": _DEVICES, "infer_batch_size": 2}
    asked = {"max_new_tokens": "${response_length}", "top_p": 0.99, "top_k": 100, "num_beams": 1, "temperature": 0.99}
    data = {"dataset_dir": "", "template": "native", "messages": "messages", "preprocessing_num_workers": 8}
    held = {
        "data_args": {**data, "file_name": list(exported.parts.get("val", ()))},
        "generating_args": {**asked, "num_return_sequences": 1},
    }
    prompts = batch(64, exported.rows[sheet])
    trained = {"strategy_name": "fsdp2_train", "strategy_config": {"fsdp_size": 8, "param_dtype": "bf16"}}
    return {
        "exp_name": f"curate_{sheet}",
        "seed": 42,
        "logging_dir": f"runs/{sheet}/logs",
        "output_dir": f"runs/{sheet}",
        "pretrain": exported.model,
        "save_steps": 50,
        "rollout_batch_size": prompts,
        "num_return_sequences_in_group": GROUP,
        "is_num_return_sequences_expand": True,
        "prompt_length": 2048,
        "response_length": exported.reply_tokens,
        "adv_estimator": "grpo",
        "use_kl_loss": True,
        "kl_loss_coef": 0.01,
        **({"validation": held} if "val" in exported.parts else {}),
        "actor_train": {
            "model_args": model,
            "training_args": {
                "learning_rate": 1e-6,
                "per_device_train_batch_size": min(2, prompts),
                "gradient_accumulation_steps": max(1, prompts // 2),
                "num_train_epochs": 1,
            },
            "data_args": {**data, "file_name": list(exported.parts[sheet]), "domain_interleave_probs": {TAG: 1.0}},
            "strategy_args": trained,
            **placed,
        },
        "actor_infer": {
            "model_args": model,
            "generating_args": {**asked, "num_return_sequences": "${num_return_sequences_in_group}"},
            "strategy_args": {"strategy_name": "vllm", "strategy_config": {"gpu_memory_utilization": 0.8}},
            "num_gpus_per_worker": 1,
            **placed,
        },
        "reference": {"model_args": model, "strategy_args": {"strategy_name": "hf_infer"}, **placed},
        "rewards": {
            TAG: {
                "worker_cls": "curate_reward_worker.CurateRewardWorker",
                "model_args": {"model_name_or_path": "${pretrain}"},
                "tag_included": [TAG],
                "world_size": 8,
                "infer_batch_size": 4,
            }
        },
    }


def _files(exported: Exported) -> dict[str, str]:
    way = ("rlvr_vlm_pipeline", "RLVRVLMPipeline") if exported.release.has_images else ("rlvr_pipeline", "RLVRPipeline")
    made = {}
    for name, sheet in exported.sheets.items():
        if sheet.base == "train":
            made[f"roll/{name}.yaml"] = yaml.safe_dump(_config(exported, name), sort_keys=False)
            made[f"roll/{name}.py"] = _MAIN.format(config=f"{name}.yaml", name=name, module=way[0], pipeline=way[1])
    return made


def _lines(sheet: str, exported: Exported) -> list[str]:
    return [
        'PYTHONPATH="$HERE:${ROLL:-$HOME/ROLL}${PYTHONPATH:+:$PYTHONPATH}"',
        f'python3 "$HERE/roll/{sheet}.py" pretrain="$MODEL"',
    ]


ROLL = Exporter(
    name="roll",
    project="https://github.com/alibaba/ROLL",
    sheets=rl_sheets(rl, _FIELDS),
    reward=Reward("curate_reward_worker.py", REWARD),
    files=_files,
    starts=(as_script("train", _lines),),
    keeps_order="ROLL shuffles prompts and has no switch for it, so the order is lost in training.",
    usage="""
`ROLL` is the folder of ROLL. The config is for eight GPUs; what follows the script's name overrides it, as
`rollout_batch_size=32`. To mix with data of your own, give that other tags and `rewards` of their own beside `curate`. For
models that see, ROLL puts Qwen's image tokens where images are: it reads no other family's.
""",
)
