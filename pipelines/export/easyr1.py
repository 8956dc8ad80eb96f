"""EasyR1: `problem`, `answer`, `images`, a Jinja format prompt and our reward.

From hiyouga/EasyR1, `verl/utils/dataset.py` (b44b311): a prompt is one user turn, made of `problem` by the format prompt and
split at `<image>`; where the column `images` exists every row needs a list; other columns never reach the reward, which
gets `ground_truth`, the column that `data.answer_key` names (`verl/workers/reward/function.py`). So `ground_truth` holds all
that our verifier needs and `answer` the gold as `$…$` for EasyR1's own graders. A system turn, which EasyR1 has no place
for, goes into the format prompt; a row with another one than the first is dropped.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.export.hugging_face import packed
from pipelines.export.image_tokens import check_marks, escape, marked_question
from pipelines.export.reward_code import ship_reward
from pipelines.export.rows import Row, UnfitError
from pipelines.export.sheet import Draft, Exported, Sheet, embedded, gradable
from pipelines.release.parquet_shards import IMAGES

REWARD = '''

REWARD_NAME = "curate"
REWARD_TYPE = "batch"


def compute_score(reward_inputs, format_weight=FORMAT_WEIGHT):
    """`overall`, `accuracy` and `format` for each response."""
    return _verifier().easyr1_batch(reward_inputs, format_weight)
'''
_FIELDS: dict[str, pa.DataType] = {
    "id": pa.string(),
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
    problem = marked_question(row)
    check_marks(len(row.images), problem)
    gold = {"answer": row.columns["solution"], "ground_truth": packed(row)}
    return {"id": row.columns["id"], "problem": problem, **gold, "images": embedded(row)}


def format_prompt(system: str | None) -> str:
    """A Jinja template that leaves the question as it is; a system turn goes in front, as text, not as a template."""
    head = f"{{{{ {json.dumps(escape(system), ensure_ascii=False)} }}}}\n\n" if system else ""
    return head + "{{ content }}\n"


class EasyR1:
    """https://github.com/hiyouga/EasyR1"""

    name = "easyr1"
    sheets = (Sheet("train", "rl", rl, _FIELDS), Sheet("val", "holdout", rl, _FIELDS))
    keeps_order = "EasyR1 keeps it with `data.shuffle=false`."
    usage = """
```
python3 -m verl.trainer.main config=examples/config.yaml \\
  data.train_files={home}/train data.val_files={home}/val \\
  data.prompt_key=problem data.answer_key=ground_truth data.image_key=images \\
  data.format_prompt={home}/format_prompt.jinja worker.reward.reward_function={home}/reward.py:compute_score
```

EasyR1 takes an `@` in a path for the name of a split. `pip install -r {home}/requirements.txt` installs what the reward
needs.
"""

    def finish(self, folder: Path, exported: Exported) -> None:
        """The format prompt and the reward."""
        system = next(iter(exported.systems), None)
        (folder / "format_prompt.jinja").write_text(format_prompt(system), encoding="utf-8")
        ship_reward(folder, "reward.py", REWARD, exported.release.label, exported.verifiers)
