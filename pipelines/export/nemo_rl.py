"""NeMo-RL: parquet of messages and images inside, a dataset class that it imports, and our reward as an environment.

From NVIDIA-NeMo/RL 7ea279a (August 2026): `nemo_rl/data/datasets/response_datasets` imports the class that `dataset_name`
names with dots; its own of conversations knows no system turn. `nemo_rl/data/processors.py` makes prompts of models that
see for the datasets that it knows by name alone, so the export brings a processor too, with what that one makes.
`nemo_rl/data/utils.py` makes the environment `vlm` for models that see and `env_name` for others; `step` gets whole
conversations and what `extra_env_info` holds. The built-in rewards compare strings. It cannot skip a row, so those that
only a judge can grade are dropped.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.lengths import PROMPT
from pipelines.export.nemo_code import DATA, ENVIRONMENT, MAIN
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, Sheet, embedded, gradable, ground_truth
from pipelines.export.starting import as_script, batch, quoted
from pipelines.release.parquet_shards import IMAGES, TURNS

_FIELDS: dict[str, pa.DataType] = {"messages": TURNS, "images": IMAGES}
_GOLD: dict[str, pa.DataType] = {"answer": pa.string(), "ground_truth": pa.string()}


def _messages(row: Row, draft: Draft, last: str | None = None) -> dict[str, Any]:
    turns = in_parts(row, lambda _: {"type": "image"}, last) if draft.has_images else marked(row, last)
    return {"messages": turns, "images": embedded(row)}


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return _messages(row, draft, "response")


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt and all that its environment needs."""
    gradable(row)
    return {**_messages(row, draft), "answer": gold_of(row), "ground_truth": ground_truth(row)}


def _lines(example: str, config: str, sheet: str, held: str | None, kind: str, more: list[str]) -> list[str]:
    root = '"${NEMO_RL:=$HOME/RL}'
    never = ["++data.validation=null", f"++{kind}.val_period=0", f"++{kind}.val_at_start=false"]
    evaluated = [
        f"++data.validation.data_path={quoted(f'$HERE/{held}')}",
        "++data.validation.dataset_name=curate_data.CurateDataset",
    ]
    return [
        'PYTHONPATH="$HERE${PYTHONPATH:+:$PYTHONPATH}"',
        f'uv run --project {root}" --with-requirements "$HERE/requirements.txt"',
        f'python "$HERE/nemo_main.py" {root}/examples/{example}" --config {root}/examples/configs/{config}"',
        f'"policy.model_name={quoted("$MODEL")}"',
        "++data.train.dataset_name=curate_data.CurateDataset",
        f'"++data.train.data_path={quoted(f"$HERE/{sheet}")}"',
        *([f'"{evaluated[0]}"', evaluated[1]] if held else never),
        "++data.default.prompt_file=null",
        "++data.default.system_prompt_file=null",
        *more,
        f"checkpointing.checkpoint_dir=runs/{sheet}",
    ]


def _rl_lines(sheet: str, exported: Exported) -> list[str]:
    sees = exported.release.has_images
    way = ("run_vlm_grpo.py", "vlm_grpo_3B.yaml") if sees else ("run_grpo.py", "grpo_math_1B.yaml")
    prompts, reply = batch(8 if sees else 32, exported.rows[sheet]), exported.reply_tokens
    group = 16  # of its examples
    sizes = [
        f"grpo.num_prompts_per_step={prompts}",
        f"grpo.num_generations_per_prompt={group}",
        f"policy.train_global_batch_size={prompts * group}",
        f"policy.generation.max_new_tokens={reply}",
        f"policy.max_total_sequence_length={PROMPT + reply}",
    ]
    environment = ["++data.default.processor=curate", "++data.default.env_name=curate", "++env.curate.num_workers=1"]
    return _lines(*way, sheet, "val" if "val" in exported.sheets else None, "grpo", [*environment, *sizes])


def _sft_lines(sheet: str, exported: Exported) -> list[str]:
    way = ("run_vlm_sft.py", "sft_vlm_3B.yaml") if exported.release.has_images else ("run_sft.py", "sft.yaml")
    sizes = [
        f"policy.train_global_batch_size={batch(16, exported.rows[sheet])}",
        f"policy.max_total_sequence_length={exported.room(sheet)}",
    ]
    return _lines(*way, sheet, None, "sft", ["++data.default.processor=sft_processor", *sizes])


NEMO_RL = Exporter(
    name="nemo_rl",
    project="https://github.com/NVIDIA-NeMo/RL",
    sheets=(
        Sheet("train", "rl", rl, {**_FIELDS, **_GOLD}, with_images={"messages": part_turns()}),
        Sheet("val", "holdout", rl, {**_FIELDS, **_GOLD}, with_images={"messages": part_turns()}),
        Sheet("sft", "sft", sft, _FIELDS, with_images={"messages": part_turns()}),
    ),
    reward=Reward("curate_environment.py", ENVIRONMENT),
    files=lambda exported: {"curate_data.py": DATA, "nemo_main.py": MAIN},
    starts=(as_script("train", _rl_lines), as_script("sft", _sft_lines, bound="policy.max_total_sequence_length")),
    keeps_order="NeMo-RL keeps it with `data.shuffle=false`.",
    usage="""
`NEMO_RL` is the folder of NeMo-RL; the scripts take the settings of its examples, and what follows a script's name
overrides them.
""",
)
