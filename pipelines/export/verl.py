"""verl: parquet for RL with our reward as `custom_reward_function`, and conversations for its SFT trainer.

Checked against verl 0.9.1. `utils/dataset/rl_dataset.py` and `multiturn_sft_dataset.py` split texts at `<image>` and assert
that marks and images are equal in number, and concatenate files, whose Arrow schemas must be the same down to
`extra_info` (verl issue 2386): here every file of every release has one. Rewards are chosen by `data_source` and an unknown
one raises, so the reward file is needed; it gets `reward_model.ground_truth`, in which all lies that our verifier needs. A
row that only a judge can grade is dropped: verl cannot skip it, it would score 0 for ever.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.export.hugging_face import packed
from pipelines.export.image_tokens import check_marks, escape, marked_question
from pipelines.export.reward_code import ship_reward
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Sheet, embedded, gradable, reply, turns
from pipelines.release.parquet_shards import IMAGES, TURNS

REWARD = '''

def compute_score(data_source, solution_str, ground_truth, extra_info=None, format_weight=FORMAT_WEIGHT, **kwargs):
    """`score`, `acc`, its parts `accuracy` and `format`, and `unscored`, which is 1 where nobody can tell."""
    return _verifier().compute_score(data_source, solution_str, ground_truth, extra_info, format_weight)


def compute_scores(data_sources, solution_strs, ground_truths, extra_infos=None, format_weight=FORMAT_WEIGHT, **kwargs):
    """The same for a batch, as verl's reward manager `batch` asks."""
    return _verifier().graded(solution_strs, ground_truths, format_weight)
'''
_ID = {"id": pa.string()}
_RL: dict[str, pa.DataType] = {
    **_ID,
    "data_source": pa.string(),
    "prompt": TURNS,
    "images": IMAGES,
    "ability": pa.string(),
    "reward_model": pa.struct({"style": pa.string(), "ground_truth": pa.string()}),
    "extra_info": pa.struct(
        {"split": pa.string(), "index": pa.int64(), **_ID, "question": pa.string(), "answer": pa.string()}
    ),
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt and all that its reward needs."""
    gradable(row)
    prompt = turns(row.system and escape(row.system), marked_question(row))
    check_marks(len(row.images), *(turn["content"] for turn in prompt))
    facts = {"index": draft.number, "id": row.columns["id"], "question": row.question, "answer": gold_of(row)}
    return {
        "id": row.columns["id"],
        "data_source": f"curate/{row.columns['dataset']}",
        "prompt": prompt,
        "images": embedded(row),
        "ability": row.columns["verifier"],
        "reward_model": {"style": "rule", "ground_truth": packed(row)},
        "extra_info": {"split": draft.split, **facts},
    }


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    messages = turns(row.system and escape(row.system), marked_question(row), escape(reply(row)))
    check_marks(len(row.images), *(turn["content"] for turn in messages))
    return {"id": row.columns["id"], "messages": messages, "images": embedded(row)}


class Verl:
    """https://github.com/volcengine/verl"""

    name = "verl"
    sheets = (
        Sheet("train", "rl", rl, _RL),
        Sheet("val", "holdout", rl, _RL),
        Sheet("sft", "sft", sft, {**_ID, "messages": TURNS, "images": IMAGES}),
    )
    keeps_order = "verl's RL trainer keeps it with `data.shuffle=False`; its SFT trainer always shuffles."
    usage = """
```
python -m verl.trainer.main_ppo \\
  data.train_files={home}/train/part-00000.parquet data.val_files={home}/val/part-00000.parquet \\
  reward.custom_reward_function.path={home}/reward.py reward.custom_reward_function.name=compute_score ...
torchrun ... -m verl.trainer.sft_trainer data.train_files={home}/sft/part-00000.parquet data.max_length=4096 ...
```

Where a folder holds several parts, name them all: `data.train_files=[a.parquet,b.parquet]`. Prompts longer than
`data.max_prompt_length` (images count) are left out by verl when it loads; its SFT trainer stops at a conversation longer
than `data.max_length`. `pip install qwen-vl-utils` opens images, `pip install -r {home}/requirements.txt` installs what
the reward needs.
"""

    def finish(self, folder: Path, exported: Exported) -> None:
        """The reward."""
        ship_reward(folder, "reward.py", REWARD, exported.release.label, exported.verifiers)
