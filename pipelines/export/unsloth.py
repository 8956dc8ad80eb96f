"""Unsloth: conversations whose contents are parts, images as files that the parts name, and a script to run.

From unslothai/unsloth-zoo ce232d6 (August 2026), `unsloth_zoo/vision_utils.py` `UnslothVisionDataCollator`: it renders
`messages` with the processor's template and opens what a part says under `image`, after it has removed keys that are null;
where a column `images` is there it reads that instead and no part, so there is none. It masks what is not the assistant's
turn by the texts with which turns begin. A release without images has strings, which `SFTTrainer` renders itself. For GRPO
and DPO, Unsloth wraps TRL's trainers: those read what `curate export RELEASE trl` writes.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Exporter, Sheet, Start
from pipelines.export.starting import batch
from pipelines.release.parquet_shards import TURNS

_SCRIPT = '''"""python {name}.py [MODEL]"""

import os
import sys
from pathlib import Path

from unsloth import {loader}
{imports}

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

os.chdir(Path(__file__).resolve().parent)  # paths of images are relative to this folder
MODEL = sys.argv[1] if len(sys.argv) > 1 else "{model}"
TURNS = {{"instruction_part": "<|im_start|>user\\n", "response_part": "<|im_start|>assistant\\n"}}  # Qwen's

model, processor = {loader}.from_pretrained(MODEL, load_in_4bit=True)
model = {loader}.get_peft_model(model, r=16, lora_alpha=16)
config = SFTConfig(
    output_dir="runs/{name}",
    per_device_train_batch_size=1,
    gradient_accumulation_steps={rows},
    num_train_epochs=1,
    learning_rate=2e-4,
    logging_steps=1,
{columns}
)
rows = load_dataset("{name}", split="train")
{trainer}
trainer.train()
model.save_pretrained("runs/{name}/lora")
'''
_SEEN = {
    "loader": "FastVisionModel",
    "imports": "from unsloth.trainer import UnslothVisionDataCollator",
    "columns": """    max_length=None,
    remove_unused_columns=False,
    dataset_text_field="",
    dataset_kwargs={"skip_prepare_dataset": True},""",
    "trainer": """collator = UnslothVisionDataCollator(model, processor, train_on_responses_only=True, **TURNS)
trainer = SFTTrainer(model, config, collator, rows, processing_class=processor.tokenizer)""",
}
_READ = {
    "loader": "FastLanguageModel",
    "imports": "from unsloth.chat_templates import train_on_responses_only",
    "columns": "    max_length=ROOM,  # holds the longest row, by an estimate: count with your tokenizer",
    "trainer": """trainer = SFTTrainer(model, config, train_dataset=rows, processing_class=processor)
trainer = train_on_responses_only(trainer, **TURNS)""",
}


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    if not draft.has_images:
        return {"messages": marked(row, "response")}
    return {"messages": in_parts(row, lambda image: {"type": "image", "image": draft.place(image)}, "response")}


def _script(sheet: str, exported: Exported) -> str:
    way = _SEEN if exported.release.has_images else _READ
    script = _SCRIPT.format(name=sheet, model=exported.model, rows=batch(8, exported.rows[sheet]), **way)
    return script.replace("ROOM", str(exported.room(sheet)))


UNSLOTH = Exporter(
    name="unsloth",
    project="https://github.com/unslothai/unsloth",
    sheets=(Sheet("sft", "sft", sft, {"messages": TURNS}, with_images={"messages": part_turns(image=pa.string())}),),
    starts=(Start("sft", "py", "python {file}", _script),),
    keeps_order="Unsloth's trainer is TRL's, which keeps it with `train_sampling_strategy='sequential'`.",
    usage="""
In a program of your own, run in this folder: the paths of images are relative to it. For GRPO and DPO, export the release
for `trl`, whose trainers Unsloth wraps.
""",
)
