"""Run in LLaMA-Factory's environment: reads an export as its trainers do, from `dataset_info.json` to a batch.

    python in_llama_factory.py EXPORT MODEL_FOLDER

Prints one JSON object.
"""

import json
import sys
from typing import Any

from llamafactory.data import MultiModalDataCollatorForSeq2Seq, get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.collator import PairwiseDataCollatorWithPadding
from llamafactory.hparams import get_train_args
from transformers import AutoTokenizer, CLIPImageProcessor, LlavaProcessor


def main(export: str, model: str) -> None:
    found = {name: read(export, model, name, stage) for name, stage in (("sft", "sft"), ("dpo", "rm"))}
    sys.stdout.write(json.dumps(found) + "\n")


def read(export: str, model: str, name: str, stage: str) -> list[dict[str, Any]]:
    """A dataset's rows, after the converter, the template and the collator."""
    asked = {"model_name_or_path": model, "stage": stage, "do_train": True, "dataset_dir": export, "dataset": name}
    asked |= {
        "template": "llava",
        "output_dir": f"{export}/.run",
        "cutoff_len": 4096,
        "use_cpu": True,
        "report_to": "none",
    }
    asked |= {"remove_unused_columns": False, "finetuning_type": "full", "cache_dir": f"{export}/.cache"}
    model_args, data_args, training_args, *_ = get_train_args(asked)
    tokenizer = AutoTokenizer.from_pretrained(model)
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    processor = LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    for limit, value in (("image_max_pixels", 4096), ("image_min_pixels", 1), ("image_do_pan_and_scan", False)):
        setattr(processor, limit, value)
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    parts = {"tokenizer": tokenizer, "processor": processor}
    data = get_dataset(template, model_args, data_args, training_args, stage=stage, **parts)["train_dataset"]
    rows = [data[i] for i in range(len(data))]
    collate = MultiModalDataCollatorForSeq2Seq if stage == "sft" else PairwiseDataCollatorWithPadding
    batch = collate(template=template, padding=True, **parts)([dict(row) for row in rows])
    shown = sum(len(row["images"] or []) for row in rows) * (1 if stage == "sft" else 2)
    assert batch["pixel_values"].shape[0] == max(shown, 1)  # a batch without images gets a blank one, masked
    keys = (
        {"reply": ("input_ids", "labels")}
        if stage == "sft"
        else {side: (f"{side}_input_ids", f"{side}_labels") for side in ("chosen", "rejected")}
    )
    return [{"images": len(row["images"] or [])} | texts(row, keys, tokenizer) for row in rows]


def texts(row: dict[str, Any], keys: dict[str, tuple[str, str]], tokenizer: Any) -> dict[str, str]:
    """The question, and what is trained on, read back from the tokens."""
    said: dict[str, str] = {}
    for name, (ids, labels) in keys.items():
        trained = [token for token, label in zip(row[ids], row[labels], strict=True) if label != -100]
        asked = [token for token, label in zip(row[ids], row[labels], strict=True) if label == -100]
        said[name] = tokenizer.decode(trained).removesuffix(tokenizer.eos_token)
        said["question"] = tokenizer.decode(asked).split("USER: ")[1].removesuffix(" ASSISTANT:").replace("<image>", "")
    return said


if __name__ == "__main__":
    main(*sys.argv[1:])
