"""SkyRL: parquet of `prompt`, `env_class` and `reward_spec`, images as `data:` addresses, our reward as an environment.

From NovaSky-AI/SkyRL a956457 (August 2026): `skyrl/train/dataset/dataset.py` reads parquet files and passes on every column
but the prompt as an environment's `extras`; `skyrl/train/generators/skyrl_vlm_generator.py` makes the environment that
`env_class` names, puts the prompt through its `init` and sends what comes back to vLLM, which wants images as parts
`image_url` (`docs/content/docs/tutorials/vision_language_rl.mdx`). Parquet gives every part the keys of all, null where it
has none, and templates take a key for an image: `init` takes the null ones out. `step` scores the reply and ends the
episode; a row that only a judge can grade would score 0 for ever, so it is dropped.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import data_uri, marked
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, gradable, ground_truth, rl_sheets
from pipelines.export.starting import GROUP, as_script, batch, quoted
from pipelines.release.parquet_shards import TURNS

REWARD = '''

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput


class CurateEnv(BaseTextEnv):
    """One reply to one prompt, scored in [0, 1]."""

    def __init__(self, env_config=None, extras=None):
        super().__init__()
        self.ground_truth = _held(extras, "reward_spec", "ground_truth")
        self.parts = {}

    def init(self, prompt):
        """The prompt, its parts without the keys that are null."""
        return [{**turn, "content": _without_nulls(turn["content"])} for turn in prompt], {}

    def step(self, action):
        [self.parts] = _verifier().graded([action], [self.ground_truth], FORMAT_WEIGHT)
        return BaseTextEnvStepOutput(observations=[], reward=self.parts["score"], done=True, metadata=dict(self.parts))

    def get_metrics(self):
        return {name: self.parts[name] for name in ("accuracy", "format") if name in self.parts}


def _without_nulls(content):
    if isinstance(content, str):
        return content
    return [{key: value for key, value in part.items() if value is not None} for part in content]
'''
_MAIN = '''"""SkyRL's own trainer, with the environment `curate` of this folder: see train.sh."""

import sys
from pathlib import Path

import ray
from skyrl.train.config import SkyRLTrainConfig
from skyrl.train.entrypoints.main_base import BasePPOExp
from skyrl.train.utils import validate_cfg
from skyrl.train.utils.utils import initialize_ray

HERE = str(Path(__file__).resolve().parent)


@ray.remote(num_cpus=1)
def run(cfg):
    from skyrl_gym.envs import register

    sys.path.append(HERE)
    register(id="curate", entry_point="curate_env:CurateEnv")
    BasePPOExp(cfg).run()


if __name__ == "__main__":
    config = SkyRLTrainConfig.from_cli_overrides(sys.argv[1:])
    validate_cfg(config)
    initialize_ray(config)
    ray.get(run.remote(config))
'''
_FIELDS: dict[str, pa.DataType] = {
    "data_source": pa.string(),
    "prompt": TURNS,
    "env_class": pa.string(),
    "reward_spec": pa.struct({"method": pa.string(), "ground_truth": pa.string()}),
    "extra_info": pa.struct({"id": pa.string(), "answer": pa.string()}),
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt and all that its environment needs."""
    gradable(row)
    seen = draft.has_images
    return {
        "data_source": row.columns["dataset"],
        "prompt": in_parts(row, lambda i: {"type": "image_url", "image_url": {"url": data_uri(i)}})
        if seen
        else marked(row),
        "env_class": "curate",
        "reward_spec": {"method": "rule", "ground_truth": ground_truth(row)},
        "extra_info": {"id": row.columns["id"], "answer": gold_of(row)},
    }


def _files(sheet: str, exported: Exported) -> str:
    return "[" + ",".join(quoted(f"$HERE/{part}") for part in exported.parts[sheet]) + "]"


def _lines(sheet: str, exported: Exported) -> list[str]:
    seen = ["generator.vision_language_generator=true", "trainer.remove_microbatch_padding=false"]
    held = "val" if "val" in exported.sheets else sheet
    prompts = batch(64, exported.rows[sheet])
    return [
        'uv run --project "${SKYRL:-$HOME/SkyRL}" --extra fsdp --with-requirements "$HERE/requirements.txt"',
        'python "$HERE/skyrl_main.py"',
        f'"data.train_data={_files(sheet, exported)}"',
        f'"data.val_data={_files(held, exported)}"',
        *(seen if exported.release.has_images else []),
        "environment.env_class=curate",
        'trainer.policy.model.path="$MODEL"',
        "trainer.strategy=fsdp",
        "trainer.algorithm.advantage_estimator=grpo",
        "trainer.placement.colocate_all=true",
        'trainer.placement.policy_num_gpus_per_node="${GPUS:-1}"',
        'trainer.placement.ref_num_gpus_per_node="${GPUS:-1}"',
        'generator.inference_engine.num_engines="${GPUS:-1}"',
        "generator.inference_engine.tensor_parallel_size=1",
        "generator.inference_engine.backend=vllm",
        "generator.batched=false",
        "generator.max_turns=1",
        f"generator.n_samples_per_prompt={GROUP}",
        f"generator.sampling_params.max_generate_length={exported.reply_tokens}",
        "trainer.max_prompt_length=4096",
        f"trainer.train_batch_size={prompts}",
        f"trainer.policy_mini_batch_size={prompts}",
        "trainer.epochs=1",
        "trainer.logger=console",
        f'trainer.ckpt_path="$PWD/runs/{sheet}"',
    ]


SKYRL = Exporter(
    name="skyrl",
    project="https://github.com/NovaSky-AI/SkyRL",
    sheets=rl_sheets(rl, _FIELDS, with_images={"prompt": part_turns(image_url=pa.struct({"url": pa.string()}))}),
    reward=Reward("curate_env.py", REWARD),
    files=lambda exported: {"skyrl_main.py": _MAIN},
    starts=(as_script("train", _lines),),
    keeps_order="SkyRL shuffles prompts and has no switch for it, so the order is lost in training.",
    usage="""
`SKYRL` is the folder of SkyRL. Models that see need a newer vLLM than the one it pins: its tutorial on vision-language RL
says which.
""",
)
