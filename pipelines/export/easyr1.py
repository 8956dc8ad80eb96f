"""EasyR1: `problem`, `answer`, `images`, a Jinja format prompt and our reward.

From hiyouga/EasyR1, `verl/utils/dataset.py` (b44b311): a prompt is one user turn, made of `problem` by the format prompt and
split at `<image>`; where the column `images` exists every row needs a list; other columns never reach the reward, which
gets `ground_truth`, the column that `data.answer_key` names (`verl/workers/reward/function.py`). So `ground_truth` holds all
that our verifier needs and `answer` the gold as `$…$` for EasyR1's own graders. A system turn, which EasyR1 has no place
for, goes into the format prompt, one for each dataset; a row with another one than most is dropped. A config has one format
prompt for training and validation (`verl/trainer/data_loader.py`): it validates only where both have the same.
"""

import json
from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.image_tokens import escape
from pipelines.export.rows import Row, UnfitError
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, embedded, gradable, ground_truth, rl_sheets
from pipelines.export.starting import GROUP, as_yaml, batch
from pipelines.release.parquet_shards import IMAGES

REWARD = '''

REWARD_NAME = "curate"
REWARD_TYPE = "batch"


def compute_score(reward_inputs, format_weight=FORMAT_WEIGHT):
    """`overall`, `accuracy` and `format` for each response."""
    return _verifier().easyr1_batch(reward_inputs, format_weight)
'''
_FIELDS: dict[str, pa.DataType] = {
    "problem": pa.string(),
    "answer": pa.string(),
    "ground_truth": pa.string(),
    "images": IMAGES,
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A problem and its gold, twice."""
    gradable(row)
    if row.system != draft.system:
        raise UnfitError("other_system", system=row.system)
    gold = {"answer": row.columns["solution"], "ground_truth": ground_truth(row)}
    return {"problem": marked(row)[-1]["content"], **gold, "images": embedded(row)}


def format_prompt(system: str | None) -> str:
    """A Jinja template that leaves the question as it is; a system turn goes in front, as text, not as a template."""
    head = f"{{{{ {json.dumps(escape(system), ensure_ascii=False)} }}}}\n\n" if system else ""
    return head + "{{ content }}\n"


def _prompt(exported: Exported) -> dict[str, str]:
    return {f"{name}.jinja": format_prompt(exported.systems[name]) for name in exported.sheets}


def _settings(sheet: str, exported: Exported) -> dict[str, Any]:
    here = "${oc.env:PWD}"  # its runner is a process of Ray, with a folder of its own
    held = "val" in exported.sheets and exported.systems["val"] == exported.systems[sheet]
    rows = exported.rows[sheet]
    data = {
        "train_files": f"{here}/{sheet}",
        "val_files": f"{here}/{'val' if held else sheet}",
        "prompt_key": "problem",
        "answer_key": "ground_truth",
        "image_key": "images",
        "format_prompt": f"./{sheet}.jinja",
        "max_prompt_length": 2048,
        "max_response_length": exported.reply_tokens,
        "rollout_batch_size": batch(128, rows),
    }
    actor = {"global_batch_size": batch(64, rows), "model": {"model_path": exported.model}}
    worker = {
        "actor": actor | {"optim": {"lr": 1e-6}},
        "rollout": {"n": GROUP, "tensor_parallel_size": 1},
        "reward": {"reward_function": "./reward.py:compute_score"},
    }
    trainer = {"total_epochs": 1, "logger": ["console"], "experiment_name": sheet, "n_gpus_per_node": 1}
    never = {} if held else {"val_before_train": False, "val_freq": -1}
    return {
        "data": data,
        "algorithm": {"adv_estimator": "grpo", "use_kl_loss": True},
        "worker": worker,
        "trainer": trainer | never,
    }


EASYR1 = Exporter(
    name="easyr1",
    project="https://github.com/hiyouga/EasyR1",
    sheets=rl_sheets(rl, _FIELDS),
    reward=Reward("reward.py", REWARD),
    files=_prompt,
    starts=(as_yaml("train", "python3 -m verl.trainer.main config={file}", _settings),),
    keeps_order="EasyR1 keeps it with `data.shuffle=false`.",
    usage="""
EasyR1 takes an `@` in a path for the name of a split: have none in that of this folder. The system turn of a dataset
is in its format prompt. A config has one for all its data, so it does not validate on rows that were asked under another.
""",
)
