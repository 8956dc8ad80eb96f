"""ms-swift: messages with `<image>` marks and image files, and our reward as a plugin.

Checked against ms-swift 4.6.0. SFT rows end with the reply, GRPO rows do not; every column that is none of swift's own
(`options` is one) goes to the reward by name. Its template gives meaning to more marks than others do, and takes
`<img>path</img>` in a text for an image (`swift/template/base.py`). `MathAccuracy` reads `solution`; it and all other
rewards here score 0 where nobody can tell, so rows that only a judge can grade are dropped. The rows are parquet, which
swift reads as it reads JSONL: of a JSON file `datasets` infers the types from its first ten megabytes, and fails where
`images` is `[]` there and holds something later. Images are inside, as `{bytes, path}`
(`swift/dataset/preprocessor/core.py`): a path would be relative to the folder that swift runs in.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked, spoken
from pipelines.export.image_tokens import COMMON
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, Sheet, embedded, gradable, ground_truth
from pipelines.export.starting import GROUP, as_yaml, batch, epoch
from pipelines.release.parquet_shards import IMAGES, TURNS

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


_FIELDS: dict[str, pa.DataType] = {"messages": TURNS, "images": IMAGES}
_GOLD: dict[str, pa.DataType] = {"solution": pa.string(), "ground_truth": pa.string()}


def _inside(row: Row) -> list[dict[str, Any]]:
    return [
        {**image, "path": None} for image in embedded(row)
    ]  # swift would prefer a file of that name, if there is one


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return {"messages": marked(row, "response", MARKS), "images": _inside(row)}


def grpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, the gold for swift's own rewards, and all that ours needs."""
    gradable(row)
    gold = {"solution": row.columns["solution"], "ground_truth": ground_truth(row)}
    return {"messages": marked(row, None, MARKS), **gold, "images": _inside(row)}


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with the better reply, and the worse one."""
    worse = spoken(row, "rejected", MARKS)["content"]
    return {"messages": marked(row, "chosen", MARKS), "rejected_response": worse, "images": _inside(row)}


def _settings(sheet: str, exported: Exported) -> dict[str, Any]:
    pairs = exported.sheets[sheet].base == "dpo"
    named = {"rlhf_type": "dpo", "beta": 0.1} if pairs else {}
    named |= {"model": exported.model, "dataset": list(exported.parts[sheet])}
    return named | {
        "tuner_type": "lora",
        "output_dir": f"runs/{sheet}",
        "learning_rate": 5e-6 if pairs else 1e-4,
        **epoch(exported.rows[sheet]),
    }


def _grpo_settings(sheet: str, exported: Exported) -> dict[str, Any]:
    reward = {"external_plugins": ["plugin.py"], "reward_funcs": ["curate"]}
    rows = exported.rows[sheet]
    group: dict[str, Any] = {
        "num_generations": GROUP,
        "generation_batch_size": GROUP * batch(8, rows),
        **epoch(rows, GROUP),
    }
    # The rate is that of swift's own GRPO with LoRA: examples/train/grpo/internal/lora_vllm.sh.
    group |= {"max_completion_length": exported.reply_tokens, "learning_rate": 1e-5}
    held = {"val_dataset": list(exported.parts["grpo_holdout"])} if "grpo_holdout" in exported.parts else {}
    return {"rlhf_type": "grpo"} | _settings(sheet, exported) | held | reward | group


MS_SWIFT = Exporter(
    name="ms_swift",
    project="https://github.com/modelscope/ms-swift",
    sheets=(
        Sheet("sft", "sft", sft, _FIELDS),
        Sheet("grpo", "rl", grpo, {**_FIELDS, **_GOLD}),
        Sheet("grpo_holdout", "holdout", grpo, {**_FIELDS, **_GOLD}),
        Sheet("dpo", "preference", dpo, {**_FIELDS, "rejected_response": pa.string()}),
    ),
    reward=Reward("plugin.py", REWARD),
    starts=(
        as_yaml("sft", "swift sft {file}", _settings),
        as_yaml("grpo", "swift rlhf {file}", _grpo_settings),
        as_yaml("dpo", "swift rlhf {file}", _settings),
    ),
    keeps_order="ms-swift keeps it with `--dataset_shuffle false --train_dataloader_shuffle false`.",
)
