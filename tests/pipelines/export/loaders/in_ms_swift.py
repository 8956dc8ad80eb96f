"""Run in ms-swift's environment: reads an export as its trainers do, and scores it through its own reward path.

    python in_ms_swift.py EXPORT MODEL_FOLDER REPLIES.json

REPLIES is {id: [reply, …]}. Prints one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from swift.dataset import load_dataset
from swift.model import get_processor
from swift.rewards import orms
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import score_completions
from swift.template import get_template
from swift.utils import import_external_file
from transformers import AutoTokenizer, CLIPImageProcessor, LlavaConfig, LlavaProcessor


def main(export: Path, model: str, replies: dict[str, list[str]]) -> None:
    template = llava_template(model)
    found = {
        "sft": [encoded(row, template, "train", ("",)) for row in load(export / "sft", True)],
        "dpo": [encoded(row, template, "rlhf", ("chosen_", "rejected_")) for row in load(export / "dpo", True)],
    }
    import_external_file(str(export / "plugin.py"))  # what --external_plugins does
    reward = orms["curate"](args=None)  # what --reward_funcs curate does
    for name in ("grpo", "grpo_holdout"):
        rows = load(export / name, False)  # GRPO keeps the other columns
        found[name] = [prompt(row, template) | {"scores": scores(row, reward, replies[row["id"]])} for row in rows]
    sys.stdout.write(json.dumps(found) + "\n")


def load(path: Path, remove_unused_columns: bool) -> list[dict[str, Any]]:
    data, _ = load_dataset([str(path / "part-00000.parquet")], remove_unused_columns=remove_unused_columns, strict=True)
    return [data[i] for i in range(len(data))]


def llava_template(model: str) -> Any:
    """A real template over our tokenizer: swift's own for Idefics3 expects the numbers of the published one's tokens."""
    folder = tempfile.mkdtemp()
    tokenizer = AutoTokenizer.from_pretrained(model)
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1
    ).save_pretrained(folder)
    LlavaConfig().save_pretrained(folder)
    return get_template(get_processor(folder, model_type="llava1_5_hf", torch_dtype=torch.float32), max_length=4096)


def encoded(row: dict[str, Any], template: Any, mode: str, sides: tuple[str, ...]) -> dict[str, Any]:
    """What is asked and what is trained on, read back from the tokens."""
    template.set_mode(mode)
    tokens = template.encode(dict(row))
    said: dict[str, Any] = {"images": len(row.get("images") or [])}
    for side in sides:
        ids, labels = tokens[f"{side}input_ids"], tokens[f"{side}labels"]
        pairs = list(zip(ids, labels, strict=True))
        asked = template.tokenizer.decode([token for token, label in pairs if label == -100])
        trained = template.tokenizer.decode([token for token, label in pairs if label != -100])
        said[side + "reply"] = trained.strip().removesuffix("</s>")
        said["question"] = question(asked)
        shown = tokens.get(f"{side}pixel_values")
        assert (0 if shown is None else shown.shape[0]) == said["images"]
    return said


def prompt(row: dict[str, Any], template: Any) -> dict[str, Any]:
    template.set_mode("transformers")
    ids = template.encode({"messages": row["messages"], "images": row.get("images") or []})["input_ids"]
    truth = json.loads(row["ground_truth"])["answer"]
    asked = question(template.tokenizer.decode(ids))
    return {"id": row["id"], "images": len(row.get("images") or []), "question": asked, "answer": truth}


def question(asked: str) -> str:
    return asked.split("USER: ")[1].removesuffix("\nASSISTANT:").replace("<image>", "").lstrip("\n")


def scores(row: dict[str, Any], reward: Any, replies: list[str]) -> list[float]:
    """As swift's GRPO trainer scores rollouts."""
    said = [[*row["messages"], {"role": "assistant", "content": reply}] for reply in replies]
    samples = [GRPOSample.from_row({**row, "messages": messages}) for messages in said]
    table = score_completions(samples, [reward], [None], use_gym_env=False, device=torch.device("cpu"))
    return [float(score) for score in table[:, 0]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
