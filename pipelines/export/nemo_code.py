"""What an export brings to NeMo-RL: an environment, a dataset with its processor, and a program that registers them."""

ENVIRONMENT = '''

import ray
import torch
from nemo_rl.environments.interfaces import EnvironmentInterface, EnvironmentReturn


@ray.remote(max_restarts=-1, max_task_retries=-1)
class CurateEnvironment(EnvironmentInterface):
    """One reply to one prompt, scored in [0, 1]; its metadata has `ground_truth`."""

    def __init__(self, cfg):
        self.cfg = cfg

    def shutdown(self):
        pass

    def step(self, message_log_batch, metadata):
        said = [_reply(log) for log in message_log_batch]
        found = _verifier().graded(said, [_held(one, "ground_truth") for one in metadata], FORMAT_WEIGHT)
        rewards = torch.tensor([one["score"] for one in found])
        seen = [{"role": "environment", "content": "right" if one["acc"] else "wrong"} for one in found]
        return EnvironmentReturn(seen, metadata, [None] * len(said), rewards, torch.ones_like(rewards), None)

    def global_post_process_and_metrics(self, batch):
        return batch, {"mean_reward": batch["rewards"].mean().item()}


def _reply(log):
    turns = (turn["content"] for turn in log if turn["role"] == "assistant")
    return "".join(text for text in turns if isinstance(text, str))
'''

DATA = '''"""The rows of this folder as NeMo-RL's datasets, and as prompts of its GRPO."""

from nemo_rl.data.datasets.raw_dataset import RawDataset


class CurateDataset(RawDataset):
    """Rows with `messages`, as they lie in the folder `data_path`; their images are put into the parts that show them."""

    task_name = "curate"

    def __init__(self, data_path, **config):
        from datasets import load_dataset

        data = load_dataset("parquet", data_files=f"{data_path}/*.parquet", split="train")
        self.dataset = data.add_column("task_name", [self.task_name] * len(data))
        self.val_dataset = None
        self.preprocessor = filled


def filled(row):
    """A row whose parts hold their images; strings stay strings."""
    images = iter(row.get("images") or [])
    return {**row, "messages": [{**turn, "content": _content(turn["content"], images)} for turn in row["messages"]]}


def _content(content, images):
    if isinstance(content, str):
        return content
    kept = {"image": lambda part: next(images), "text": lambda part: part["text"]}
    return [{"type": part["type"], part["type"]: kept[part["type"]](part)} for part in content]


def process(row, task_data_spec, processor, max_seq_length, idx):
    """A prompt of GRPO: one message with the tokens of all turns, which tell its environment the gold."""
    turns = row["messages"]
    text = processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    made = processor.apply_chat_template(
        turns, tokenize=True, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    message = {"role": "user", "content": text, "token_ids": made["input_ids"][0], **_seen(made, processor)}
    parts = [part for turn in turns if isinstance(turn["content"], list) for part in turn["content"]]
    images = [part["image"] for part in parts if part["type"] == "image"]
    sent = {"vllm_content": text, "vllm_images": images, "vllm_audios": [], "vllm_videos": []} if images else {}
    length = len(message["token_ids"])
    if length >= max_seq_length:  # too long to be answered: kept as a few tokens that count for nothing
        message, sent = {**message, "token_ids": message["token_ids"][: min(4, max_seq_length)]}, {}
        message = {name: message[name] for name in ("role", "content", "token_ids")}
    return {
        "message_log": [message],
        "length": length,
        "extra_env_info": {"ground_truth": row["ground_truth"]},
        "loss_multiplier": float(length < max_seq_length),
        "idx": idx,
        "task_name": row["task_name"],
        **sent,
    }


def _seen(made, processor):
    """The tensors of images, packed as NeMo-RL's own processor of models that see packs them."""
    from nemo_rl.data.multimodal_utils import (
        PackedTensor,
        get_dim_to_pack_along,
        get_multimodal_keys_from_processor,
    )

    keys = [key for key in get_multimodal_keys_from_processor(processor) if key in made]
    packed = {key: PackedTensor(made[key], dim_to_pack=get_dim_to_pack_along(processor, key)) for key in keys}
    each = {key: made[key][0] for key in ("token_type_ids", "mm_token_type_ids") if key in made and key not in packed}
    return {**packed, **each}
'''

MAIN = '''"""python nemo_main.py EXAMPLE.py …: an example of NeMo-RL, with the environment and the dataset of this folder."""

import runpy
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

import curate_data
from nemo_rl.data.processors import register_processor
from nemo_rl.distributed.ray_actor_environment_registry import ACTOR_ENVIRONMENT_REGISTRY
from nemo_rl.distributed.virtual_cluster import PY_EXECUTABLES
from nemo_rl.environments.utils import ENV_REGISTRY

NAME = "curate_environment.CurateEnvironment"

if __name__ == "__main__":
    ACTOR_ENVIRONMENT_REGISTRY[NAME] = PY_EXECUTABLES.SYSTEM
    for environment in ("curate", "vlm"):  # with models that see, every environment is "vlm"
        ENV_REGISTRY[environment] = {"actor_class_fqn": NAME}
    register_processor("curate", curate_data.process)
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
'''
