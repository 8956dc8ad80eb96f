"""AReaL: parquet of turns and images inside, a dataset of the rows as its workflows want them, and our reward as a function.

From inclusionAI/AReaL 4aef98d (May 2026): `areal/dataset` chooses built-in datasets by words in a path, so the export
brings its own, `curate_dataset.py`: for `areal/workflow/vision_rlvr.py` a row has `messages`, rendered, `images`, and
`messages_chat` for vLLM, whose parts `image_url` are filled in order (`areal/engine/vllm_remote.py`); for `rlvr.py`, of
models that see none, turns. Each row is made when it is asked for, so images stay packed. Every key of a row goes to
`reward_fn(prompt, completions, prompt_ids, completion_ids, **row)` by name, in a process of a pool. The vision workflow
runs the processor with the images of each row, and processors fail with none: rows without images are dropped from a
release that has some. So are those that only a judge can grade.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row, UnfitError, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, embedded, gradable, ground_truth, rl_sheets
from pipelines.export.starting import as_script
from pipelines.release.parquet_shards import IMAGES, TURNS

REWARD = '''

def reward_fn(prompt=None, completions=None, prompt_ids=None, completion_ids=None, ground_truth=None, **row):
    """A score in [0, 1]."""
    return _verifier().graded([completions], [ground_truth], FORMAT_WEIGHT)[0]["score"]
'''
_DATASET = '''"""The rows of this folder as AReaL's workflows want them; the scripts beside it start training."""

from pathlib import Path


def rows(folder, processor=None):
    """A dataset from its folder; with a processor for models that see, without for those that do not."""
    from datasets import load_dataset

    data = load_dataset("parquet", data_files=str(Path(folder) / "*.parquet"), split="train")
    return data.with_transform(lambda batch: _made(batch, processor)) if processor is not None else data


def _made(batch, processor):
    made = {"images": [], "messages": [], "messages_chat": []}
    for turns, images in zip(batch["messages"], batch["images"]):
        made["images"].append([image.convert("RGB") for image in images])
        turns = [{**turn, "content": [_part(part) for part in turn["content"]]} for turn in turns]
        made["messages"].append(processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
        made["messages_chat"].append([{**turn, "content": list(map(_address, turn["content"]))} for turn in turns])
    return {**{name: column for name, column in batch.items() if name not in made}, **made}


def _part(part):
    return {"type": "image"} if part["type"] == "image" else {"type": "text", "text": part["text"]}


def _address(part):
    """A place that AReaL's client of vLLM fills with the next image."""
    return {"type": "image_url", "image_url": {"url": ""}} if part["type"] == "image" else part
'''
_MAIN = '''"""AReaL's own trainer on the datasets that its config names; the scripts beside it start it."""

import sys

from areal import PPOTrainer
from areal.api.cli_args import GRPOConfig, load_expr_config
from areal.utils.hf_utils import load_hf_processor_and_tokenizer

from curate_dataset import rows

SEES = {sees}

if __name__ == "__main__":
    config, _ = load_expr_config(sys.argv[1:], GRPOConfig)
    processor, _ = load_hf_processor_and_tokenizer(config.tokenizer_path)
    workflow = "areal.workflow.vision_rlvr.VisionRLVRWorkflow" if SEES else "areal.workflow.rlvr.RLVRWorkflow"
    asked = dict(reward_fn="curate_reward.reward_fn", tokenizer=config.tokenizer_path, enable_thinking=False)
    if SEES:
        asked["processor"] = config.tokenizer_path
    named = (config.train_dataset.path, config.valid_dataset.path)
    train, valid = (rows(path, processor if SEES else None) for path in named)
    with PPOTrainer(config, train_dataset=train, valid_dataset=valid) as trainer:
        trainer.train(
            workflow=workflow,
            workflow_kwargs=dict(gconfig=config.gconfig, **asked),
            eval_workflow=workflow,
            eval_workflow_kwargs=dict(gconfig=config.gconfig.new(temperature=0.6), **asked),
        )
'''
_FIELDS: dict[str, pa.DataType] = {
    "messages": TURNS,
    "images": IMAGES,
    "answer": pa.string(),
    "ground_truth": pa.string(),
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, its images and all that its reward needs. No column may have the name of an argument of rewards."""
    gradable(row)
    if draft.has_images and not row.images:
        raise UnfitError("no_image")
    return {
        "messages": in_parts(row, lambda _: {"type": "image"}) if draft.has_images else marked(row),
        "images": embedded(row),
        "answer": gold_of(row),
        "ground_truth": ground_truth(row),
    }


def _lines(sheet: str, exported: Exported) -> list[str]:
    sees = exported.release.has_images
    held = "val" if "val" in exported.sheets else sheet
    config = "examples/vlm/geometry3k_grpo.yaml" if sees else "examples/math/gsm8k_grpo.yaml"
    return [
        'PYTHONPATH="$HERE:${AREAL:-$HOME/AReaL}${PYTHONPATH:+:$PYTHONPATH}"',
        f'python3 "$HERE/curate_main.py" --config "${{AREAL:-$HOME/AReaL}}/{config}"',
        "experiment_name=curate",
        f"trial_name={sheet}",
        'actor.path="$MODEL"',
        f'train_dataset.path="$HERE/{sheet}"',
        f'valid_dataset.path="$HERE/{held}"',
        "gconfig.n_samples=8",
        "gconfig.max_new_tokens=1024",
        "total_train_epochs=1",
    ]


def _files(exported: Exported) -> dict[str, str]:
    return {
        "curate_dataset.py": _DATASET,
        "curate_main.py": _MAIN.format(sees=exported.release.has_images),
    }


AREAL = Exporter(
    name="areal",
    project="https://github.com/inclusionAI/AReaL",
    sheets=rl_sheets(rl, _FIELDS, with_images={"messages": part_turns()}),
    reward=Reward("curate_reward.py", REWARD),
    files=_files,
    starts=(as_script("train", _lines),),
    keeps_order="AReaL keeps it with `train_dataset.shuffle=false`.",
    usage="""
`AREAL` is the folder of AReaL; the script takes the settings of the example that it names there, and what follows its own
name.
""",
)
