"""TRL: SFT as prompt and completion, and as messages; GRPO with our reward; DPO.

Checked against trl 1.16. `trl/data_utils.py` `prepare_multimodal_messages` puts all of `images` before the first user text
where contents are strings, and into the places of parts `{"type": "image"}` where they are lists: a sheet of which any row
shows an image among its words has lists in all its rows. The collators compare a row's `images` with `[]`, so it is never
null; GRPO hands every other column to the reward by name. `completion_only_loss` wants the `sft` form; `sft_messages` trains
on all turns.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import texts, turns
from pipelines.export.image_tokens import escape
from pipelines.export.rows import Row
from pipelines.export.sheet import GOLD, Draft, Exported, Exporter, Reward, Sheet, embedded, gold, reply
from pipelines.export.starting import GROUP, as_yaml, epoch
from pipelines.release.parquet_shards import IMAGES, PARTS, TURNS

REWARD = '''

def reward(completions, **columns):
    """One score in [0, 1] a completion; None, which TRL skips, where nobody can tell. Logs the parts."""
    return _verifier().reward(completions, **{"format_weight": FORMAT_WEIGHT, **columns})


def curate_accuracy(completions, **columns):
    """The part of the answer: for `reward_funcs=[curate_accuracy, curate_format], reward_weights=[0.9, 0.1]`."""
    return _verifier().accuracy_part(completions, **columns)


def curate_format(completions, **columns):
    """The part of the layout: 1 where a completion is laid out as its row's tag schema says."""
    return _verifier().format_part(completions, **columns)
'''


def _prompt(row: Row, draft: Draft) -> list[dict[str, Any]]:
    spoken: list[dict[str, Any]] = [*turns(row.system and escape(row.system), escape(row.question))]
    if not draft.interleaved:
        return spoken
    pieces = texts(escape(piece) if isinstance(piece, str) else None for piece in row.pieces)
    return [*_in_parts(spoken[:-1]), {"role": "user", "content": pieces}]


def _in_parts(spoken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**turn, "content": texts([turn["content"]])} for turn in spoken]


def _spoken(row: Row, name: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": escape(reply(row, name))}]


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, completion, images."""
    return {
        "prompt": _prompt(row, draft),
        "completion": _spoken(row, "response"),
        "images": embedded(row),
    }


def sft_messages(row: Row, draft: Draft) -> dict[str, Any]:
    """The same as one conversation."""
    spoken = _spoken(row, "response")
    messages = _prompt(row, draft) + (_in_parts(spoken) if draft.interleaved else spoken)
    return {"messages": messages, "images": embedded(row)}


def grpo(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, images and the columns that our reward, or TRL's own `accuracy_reward`, reads."""
    return {"prompt": _prompt(row, draft), "images": embedded(row), **gold(row)}


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, chosen, rejected, images."""
    spoken = {name: _spoken(row, name) for name in ("chosen", "rejected")}
    return {"prompt": _prompt(row, draft), **spoken, "images": embedded(row)}


_PROMPTS: dict[str, pa.DataType] = {"prompt": PARTS}
_ASKED: dict[str, pa.DataType] = {"prompt": TURNS, "images": IMAGES}


def _settings(sheet: str, exported: Exported) -> dict[str, Any]:
    rows = {
        "path": "parquet",
        "data_files": list(exported.parts[sheet]),
    }  # a folder without a name, `.`, is none to `datasets`
    named = {"model_name_or_path": exported.model, "datasets": [rows]}
    # A cut prompt loses image tokens.
    way = {"output_dir": f"runs/{sheet}", "max_length": None, "learning_rate": 1e-5}
    return named | way | epoch(exported.rows[sheet])


def _dpo_settings(sheet: str, exported: Exported) -> dict[str, Any]:
    return _settings(sheet, exported) | {"learning_rate": 1e-6}  # TRL's own, of all weights


def _grpo_settings(sheet: str, exported: Exported) -> dict[str, Any]:
    settings = _settings(sheet, exported) | {"reward_funcs": ["reward.reward"], "learning_rate": 1e-6}
    del settings["max_length"]
    group = {"num_generations": GROUP, "max_completion_length": exported.reply_tokens}
    fewest, most = exported.release.images_a_row(exported.sheets[sheet].split)
    # TRL hands processors None for the images of a row without any, and no processor takes that beside rows with some.
    rows = 1 if fewest == 0 < most else exported.rows[sheet]
    return settings | epoch(rows, GROUP) | group


TRL = Exporter(
    name="trl",
    project="https://github.com/huggingface/trl",
    sheets=(
        Sheet("sft", "sft", sft, {**_ASKED, "completion": TURNS}, _PROMPTS),
        Sheet("sft_messages", "sft", sft_messages, {"messages": TURNS, "images": IMAGES}, {"messages": PARTS}),
        Sheet("grpo", "rl", grpo, {**_ASKED, **GOLD}, _PROMPTS),
        Sheet("grpo_holdout", "holdout", grpo, {**_ASKED, **GOLD}, _PROMPTS),
        Sheet("dpo", "preference", dpo, {**_ASKED, "chosen": TURNS, "rejected": TURNS}, _PROMPTS),
    ),
    reward=Reward("reward.py", REWARD),
    starts=(
        as_yaml("sft", "trl sft --config {file}", _settings),
        as_yaml("grpo", "trl grpo --config {file}", _grpo_settings),
        as_yaml("dpo", "trl dpo --config {file}", _dpo_settings),
    ),
    keeps_order=(
        "TRL keeps it with `shuffle_dataset=False` in GRPO, "
        "and with `train_sampling_strategy='sequential'` in SFT and DPO."
    ),
    usage="""
In a program of your own, `load_dataset(FOLDER, NAME, split="train")` is what `SFTTrainer`, `GRPOTrainer` and `DPOTrainer`
take as `train_dataset`, and `from reward import reward`, with this folder in `sys.path`, is what GRPO takes as
`reward_funcs`.
""",
)
