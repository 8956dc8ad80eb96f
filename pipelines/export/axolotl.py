"""Axolotl: conversations whose contents are parts, images as files that the parts name, and a config to run.

From axolotl-ai-cloud/axolotl 067b021 (July 2026): `src/axolotl/processing_strategies.py` passes parts on as they are, but
of a column `images` it takes the first alone, at the first place that is free, and of `[]` it fails: so there is none. The
template of the processor then opens what a part says under `path` (`utils/collators/mm_chat.py`), which is relative to the
folder that axolotl runs in. Keys that are null are removed first. It trains on assistant turns. A release without images
has strings, for templates of models that see none.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Exporter, Sheet
from pipelines.export.starting import as_yaml, batch
from pipelines.release.parquet_shards import TURNS


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    if not draft.has_images:
        return {"messages": marked(row, "response")}
    return {"messages": in_parts(row, lambda image: {"type": "image", "path": draft.place(image)}, "response")}


def _settings(sheet: str, exported: Exported) -> dict[str, Any]:
    seen = {
        "processor_type": "AutoProcessor",
        "skip_prepare_dataset": True,
        "remove_unused_columns": False,
        "sample_packing": False,
        "freeze_mm_modules": True,
    }
    return {
        "base_model": exported.model,
        **(seen if exported.release.has_images else {}),
        "chat_template": "qwen2_vl" if exported.release.has_images else "tokenizer_default",
        "datasets": [{"path": sheet, "split": "train", "type": "chat_template"}],
        "dataset_prepared_path": f"runs/{sheet}/prepared",
        "output_dir": f"runs/{sheet}",
        "sequence_len": exported.room(sheet),
        "pad_to_sequence_len": False,
        "adapter": "lora",
        "lora_r": 32,
        "lora_alpha": 16,
        "lora_target_linear": True,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": batch(8, exported.rows[sheet]),
        "num_epochs": 1,
        "optimizer": "adamw_torch_fused",
        "lr_scheduler": "cosine",
        "learning_rate": 1e-4,
        "bf16": True,
        "gradient_checkpointing": True,
        "logging_steps": 1,
    }


AXOLOTL = Exporter(
    name="axolotl",
    project="https://github.com/axolotl-ai-cloud/axolotl",
    sheets=(Sheet("sft", "sft", sft, {"messages": TURNS}, with_images={"messages": part_turns(path=pa.string())}),),
    starts=(as_yaml("sft", "axolotl train {file}", _settings, "sequence_len"),),
    keeps_order="Axolotl keeps it with `curriculum_sampling: true`.",
    usage="""
`chat_template` is that of Qwen2-VL and Qwen2.5-VL: name your model's. With several images in a row, `micro_batch_size: 1`
keeps rows without images and rows with some out of one batch, which some processors refuse.
""",
)
