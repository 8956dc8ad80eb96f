"""TRL: SFT as prompt and completion, and as messages; GRPO with our reward; DPO.

Checked against trl 1.16. `trl/data_utils.py` `prepare_multimodal_messages` puts all of `images` before the first user text
where contents are strings, and into the places of parts `{"type": "image"}` where they are lists: a sheet of which any row
shows an image among its words has lists in all its rows. The collators compare a row's `images` with `[]`, so it is never
null; GRPO hands every other column to the reward by name. `completion_only_loss` wants the `sft` form; `sft_messages` trains
on all turns.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.export.image_tokens import escape
from pipelines.export.reward_code import ship_reward
from pipelines.export.rows import Row
from pipelines.export.sheet import GOLD, Draft, Exported, Sheet, embedded, gold, reply, turns
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
    pieces = [_part(escape(piece)) if isinstance(piece, str) else _part(None) for piece in row.pieces]
    return [*_in_parts(spoken[:-1]), {"role": "user", "content": pieces}]


def _in_parts(spoken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**turn, "content": [_part(turn["content"])]} for turn in spoken]


def _part(text: str | None) -> dict[str, str | None]:
    return {"type": "image" if text is None else "text", "text": text}


def _spoken(row: Row, name: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": escape(reply(row, name))}]


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, completion, images."""
    return {
        "id": row.columns["id"],
        "prompt": _prompt(row, draft),
        "completion": _spoken(row, "response"),
        "images": embedded(row),
    }


def sft_messages(row: Row, draft: Draft) -> dict[str, Any]:
    """The same as one conversation."""
    spoken = _spoken(row, "response")
    messages = _prompt(row, draft) + (_in_parts(spoken) if draft.interleaved else spoken)
    return {"id": row.columns["id"], "messages": messages, "images": embedded(row)}


def grpo(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, images and the columns that our reward, or TRL's own `accuracy_reward`, reads."""
    return {"id": row.columns["id"], "prompt": _prompt(row, draft), "images": embedded(row), **gold(row)}


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """Prompt, chosen, rejected, images."""
    spoken = {name: _spoken(row, name) for name in ("chosen", "rejected")}
    return {"id": row.columns["id"], "prompt": _prompt(row, draft), **spoken, "images": embedded(row)}


_PROMPTS: dict[str, pa.DataType] = {"prompt": PARTS}


class TRL:
    """https://github.com/huggingface/trl"""

    name = "trl"
    sheets = (
        Sheet("sft", "sft", sft, {"id": pa.string(), "prompt": TURNS, "completion": TURNS, "images": IMAGES}, _PROMPTS),
        Sheet(
            "sft_messages",
            "sft",
            sft_messages,
            {"id": pa.string(), "messages": TURNS, "images": IMAGES},
            {"messages": PARTS},
        ),
        Sheet("grpo", "rl", grpo, {"id": pa.string(), "prompt": TURNS, "images": IMAGES, **GOLD}, _PROMPTS),
        Sheet(
            "grpo_holdout", "holdout", grpo, {"id": pa.string(), "prompt": TURNS, "images": IMAGES, **GOLD}, _PROMPTS
        ),
        Sheet(
            "dpo",
            "preference",
            dpo,
            {"id": pa.string(), "prompt": TURNS, "chosen": TURNS, "rejected": TURNS, "images": IMAGES},
            _PROMPTS,
        ),
    )
    keeps_order = (
        "TRL keeps it with `shuffle_dataset=False` in GRPO, "
        "and with `train_sampling_strategy='sequential'` in SFT and DPO."
    )
    usage = """
```python
import sys
from datasets import load_dataset

sys.path.append("{home}")
from reward import reward

SFTTrainer(model, train_dataset=load_dataset("{home}", "sft", split="train"))
GRPOTrainer(model, reward_funcs=reward, train_dataset=load_dataset("{home}", "grpo", split="train"))
DPOTrainer(model, train_dataset=load_dataset("{home}", "dpo", split="train"))
```

`pip install -r {home}/requirements.txt` installs what the reward needs.
"""

    def finish(self, folder: Path, exported: Exported) -> None:
        """The reward."""
        ship_reward(folder, "reward.py", REWARD, exported.release.label, exported.verifiers)
