"""Run in verl's environment: reads an export through verl's own datasets, and scores it through verl's own reward path.

    python in_verl.py EXPORT MODEL_FOLDER REPLIES.json

REPLIES is {id: [reply, …]}. Prints one JSON object.
"""

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from transformers import AutoTokenizer, CLIPImageProcessor, LlavaProcessor
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.reward import get_custom_reward_fn
from verl.utils.dataset.dataset_utils import SFTTensorCollator
from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn


def main(export: Path, model: str, replies: dict[str, list[str]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=tokenizer.chat_template,
    )
    images.patch_size = processor.patch_size  # verl asks the image's processor for it, which Qwen's has
    import_qwen_vl_utils()
    found = {"rows": rl(export, tokenizer, processor, replies), "sft": sft(export, tokenizer, processor)}
    sys.stdout.write(json.dumps(found) + "\n")


def import_qwen_vl_utils() -> None:
    """verl opens images with it. It imports torchvision, which it uses for videos alone and which is not here: see the
    Makefile."""
    names = ("torchvision", "torchvision.io", "torchvision.transforms")
    absent = {name: ModuleType(name) for name in names}
    absent["torchvision"].io = absent["torchvision.io"]
    absent["torchvision"].transforms = absent["torchvision.transforms"]
    absent["torchvision.transforms"].InterpolationMode = None
    sys.modules.update(absent)
    import qwen_vl_utils  # noqa: F401

    for name in names:
        del sys.modules[name]


def rl(export: Path, tokenizer: Any, processor: Any, replies: dict[str, list[str]]) -> list[dict[str, Any]]:
    # The filter opens every image and counts its tokens; it leaves out what fails, with a line.
    config = OmegaConf.create({"cache_dir": str(export / ".cache"), "max_prompt_length": 2048})
    files = [str(export / name / "part-00000.parquet") for name in ("train", "val")]  # concatenated: one Arrow schema
    data = RLHFDataset(files, tokenizer, config, processor)
    manager = reward_manager(export, tokenizer)
    rows = [
        read(data[i], processor) | {"scores": score(data[i], manager, tokenizer, replies)} for i in range(len(data))
    ]
    assert len(collate_fn([data[i] for i in range(len(data))])["raw_prompt"]) == len(data)
    return rows


def sft(export: Path, tokenizer: Any, processor: Any) -> list[dict[str, Any]]:
    """The rows of its SFT dataset: tokens, what the loss is on, images; and a batch of all of them."""
    config = OmegaConf.create({"max_length": 4096, "pad_mode": "no_padding", "truncation": "error"})
    data = MultiTurnSFTDataset([str(export / "sft" / "part-00000.parquet")], tokenizer, config, processor)
    rows = [data[i] for i in range(len(data))]
    assert SFTTensorCollator("no_padding")([dict(row) for row in rows])["input_ids"].size(0) == len(rows)
    return [conversation(row, tokenizer) for row in rows]


def conversation(row: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """Question and reply, read back from the tokens, and the images beside them."""
    ids, loss = row["input_ids"], row["loss_mask"].bool()
    asked = tokenizer.decode(ids[~loss]).removeprefix("<|user|>").removesuffix("<|assistant|>")
    shown = row.get("multi_modal_inputs", {}).get("pixel_values")
    return {
        "question": asked.removesuffix("<end_of_utterance>").replace("<image>", ""),
        "reply": tokenizer.decode(ids[loss]).removesuffix("<end_of_utterance>"),
        "images": 0 if shown is None else shown.shape[0],
    }


def read(row: dict[str, Any], processor: Any) -> dict[str, Any]:
    """What verl understood of a row, after its own check of marks against images."""
    parts = row["raw_prompt"][-1]["content"]
    parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
    shown = [part["image"] for part in parts if part["type"] == "image"]
    question = "".join(part["text"] for part in parts if part["type"] == "text")
    text = processor.apply_chat_template(row["raw_prompt"], add_generation_prompt=True, tokenize=False)
    processor(text=[text], images=shown or None)
    truth = json.loads(row["reward_model"]["ground_truth"])
    found = {"id": row["id"], "split": row["extra_info"]["split"], "question": question, "images": len(shown)}
    return found | {"answer": truth["answer"]}


def reward_manager(export: Path, tokenizer: Any) -> NaiveRewardManager:
    """As `custom_reward_function.path` makes it."""
    chosen = {"path": str(export / "reward.py"), "name": "compute_score", "reward_kwargs": {}}
    config = OmegaConf.create({"reward": {"custom_reward_function": chosen}})
    return NaiveRewardManager(config, tokenizer, get_custom_reward_fn(config))


def score(row: dict[str, Any], manager: Any, tokenizer: Any, replies: dict[str, list[str]]) -> list[float]:
    """The reward of each reply, given as the tokens of a rollout."""
    scores = []
    for reply in replies[row["id"]]:
        tokens = tokenizer(reply, return_tensors="pt", add_special_tokens=False)["input_ids"]
        batch = TensorDict({"responses": tokens, "attention_mask": torch.ones_like(tokens)}, batch_size=1)
        facts = {name: [row[name]] for name in ("data_source", "reward_model", "extra_info")}
        asked = DataProto(batch=batch, non_tensor_batch=collate_fn([{k: v[0] for k, v in facts.items()}]))
        scores.append(asyncio.run(in_own_loop(manager, asked)))
    return scores


async def in_own_loop(manager: Any, asked: DataProto) -> float:
    manager.loop = asyncio.get_running_loop()
    return float((await manager.run_single(asked))["reward_score"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
