"""ms-swift: messages with `<image>` marks and image files, and our reward as a plugin.

Checked against ms-swift 4.6.0. SFT rows end with the reply, GRPO rows do not; every column that is none of swift's own
(`options` is one) goes to the reward by name. Its template gives meaning to more marks than others do, and takes
`<img>path</img>` in a text for an image (`swift/template/base.py`). `MathAccuracy` reads `solution`; it and all other
rewards here score 0 where nobody can tell, so rows that only a judge can grade are dropped. The rows are parquet, which
swift reads as it reads JSONL: of a JSON file `datasets` infers the types from its first ten megabytes, and fails where
`images` is `[]` there and holds paths later. Paths are absolute: export again where the folder is moved.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.export.hugging_face import packed
from pipelines.export.image_tokens import COMMON, check_marks, escape, marked_question
from pipelines.export.reward_code import ship_reward
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Sheet, Turns, gradable, reply, turns
from pipelines.release.parquet_shards import TURNS

MARKS = (*COMMON, "img", "bbox", "ref-object", "cot-process", "start-image")
REWARD = '''

from swift.rewards import orms


class CurateReward:
    """An outcome reward: one score in [0, 1] a completion."""

    part = "score"

    def __init__(self, args=None, **kwargs):
        self.args = args

    def __call__(self, completions, ground_truth=None, **columns):
        return [grade[self.part] for grade in _verifier().graded(completions, ground_truth, FORMAT_WEIGHT)]


orms["curate"] = CurateReward
for _part in ("accuracy", "format"):  # --reward_funcs curate_accuracy curate_format --reward_weights 0.9 0.1
    orms["curate_" + _part] = type("Curate" + _part.title(), (CurateReward,), {"part": _part})
'''


_FIELDS: dict[str, pa.DataType] = {"id": pa.string(), "messages": TURNS, "images": pa.list_(pa.string())}


def _record(row: Row, draft: Draft, messages: Turns, **more: Any) -> dict[str, Any]:
    check_marks(len(row.images), *(turn["content"] for turn in messages))
    paths = [str(draft.home / draft.place(image)) for image in row.images]
    return {"id": row.columns["id"], "messages": messages, **more, "images": paths}


def _messages(row: Row, last: str | None = None) -> Turns:
    return turns(row.system and escape(row.system, MARKS), marked_question(row, MARKS), last)


def _reply(row: Row, name: str) -> str:
    return escape(reply(row, name), MARKS)


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return _record(row, draft, _messages(row, _reply(row, "response")))


def grpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, the gold for swift's own rewards, and all that ours needs."""
    gradable(row)
    return _record(row, draft, _messages(row), solution=row.columns["solution"], ground_truth=packed(row))


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with the better reply, and the worse one."""
    return _record(row, draft, _messages(row, _reply(row, "chosen")), rejected_response=_reply(row, "rejected"))


class MsSwift:
    """https://github.com/modelscope/ms-swift"""

    name = "ms_swift"
    sheets = (
        Sheet("sft", "sft", sft, _FIELDS),
        Sheet("grpo", "rl", grpo, {**_FIELDS, "solution": pa.string(), "ground_truth": pa.string()}),
        Sheet("grpo_holdout", "holdout", grpo, {**_FIELDS, "solution": pa.string(), "ground_truth": pa.string()}),
        Sheet("dpo", "preference", dpo, {**_FIELDS, "rejected_response": pa.string()}),
    )
    keeps_order = "ms-swift keeps it with `--dataset_shuffle false --train_dataloader_shuffle false`."
    usage = """
```
swift sft --dataset {home}/sft/part-00000.parquet ...
swift rlhf --rlhf_type grpo --dataset {home}/grpo/part-00000.parquet --external_plugins {home}/plugin.py \\
  --reward_funcs curate ...
swift rlhf --rlhf_type dpo --dataset {home}/dpo/part-00000.parquet ...
```

Where a folder holds several parts, name them all. `pip install -r {home}/requirements.txt` installs what the reward needs.
"""

    def finish(self, folder: Path, exported: Exported) -> None:
        """The plugin."""
        ship_reward(folder, "plugin.py", REWARD, exported.release.label, exported.verifiers)
