"""OpenRLHF: turns with images as parts, the images' bytes beside them, and our reward as a file.

From OpenRLHF/OpenRLHF 3c3be62 (August 2026): `openrlhf/datasets/prompts_dataset.py` renders the turns of `data.input_key`
with the processor's chat template (it cuts strings at `<image>` and strips the pieces; parts it takes as they are) and
reads images from `data.image_key`; `openrlhf/utils/vlm_utils.py` opens paths, addresses and bytes, here bytes, because its
workers run in folders of their own. `openrlhf/utils/agent.py` calls `reward_func(queries, prompts, labels)` of
`reward.remote_url` with one query at a time, in threads, takes `rewards`, `scores` and `extra_logs` of the dict it returns,
and logs what it raises as a missing reward: without one a row is 0 for ever, so rows that only a judge can grade are
dropped.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.lengths import PROMPT
from pipelines.export.parts import in_parts, part_turns
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, gradable, ground_truth, rl_sheets
from pipelines.export.starting import GROUP, as_script, batch
from pipelines.release.parquet_shards import TURNS

REWARD = '''

def reward_func(queries, prompts, labels, **kwargs):
    """`rewards` and `scores`, tensors of one score in [0, 1] a query, and the parts as `extra_logs`.

    `labels` are the column `ground_truth`; a query is its prompt, as the tokenizer decodes it, with the reply.
    """
    import torch

    found = _verifier().openrlhf(queries, labels, FORMAT_WEIGHT, prompts)
    logs = {name: torch.tensor(values) for name, values in found["extra_logs"].items()}
    return {**{name: torch.tensor(found[name]) for name in ("rewards", "scores")}, "extra_logs": logs}
'''
_FIELDS: dict[str, pa.DataType] = {
    "prompt": TURNS,
    "images": pa.list_(pa.binary()),
    "label": pa.string(),
    "ground_truth": pa.string(),
    "datasource": pa.string(),
}


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, its images, and its gold: as it was published, and with all that our reward needs."""
    gradable(row)
    return {
        "prompt": in_parts(row, lambda _: {"type": "image"}) if draft.has_images else marked(row),
        "images": [image.data for image in row.images],
        "label": gold_of(row),
        "ground_truth": ground_truth(row),
        "datasource": row.columns["dataset"],
    }


def _lines(sheet: str, exported: Exported) -> list[str]:
    most = max(exported.release.images_a_row(one.split)[1] for one in exported.sheets.values())
    seen = [f"--data.max_images_per_prompt {most}", "--actor.freeze_visual_encoder"] if most else []
    held = ['--eval.dataset "$HERE/val/*.parquet"', "--eval.steps 20"] if "val" in exported.sheets else []
    prompts, reply = batch(128, exported.rows[sheet]), exported.reply_tokens
    return [
        "python3 -m openrlhf.cli.train_ppo_ray",
        '--actor.model_name_or_path "$MODEL"',
        f'--data.prompt_dataset "$HERE/{sheet}/*.parquet"',
        "--data.input_key prompt",
        "--data.label_key ground_truth",
        "--data.image_key images",
        "--data.apply_chat_template",
        '--reward.remote_url "$HERE/reward_func.py"',
        *held,
        *seen,
        "--algo.advantage.estimator group_norm",
        f"--rollout.n_samples_per_prompt {GROUP}",
        f"--rollout.batch_size {prompts}",
        f"--rollout.max_new_tokens {reply}",
        f"--data.max_len {PROMPT + reply}",
        f"--train.batch_size {GROUP * prompts}",
        "--train.num_episodes 1",
        "--train.colocate_all",
        '--actor.num_gpus_per_node "${GPUS:-1}"',
        '--ref.num_gpus_per_node "${GPUS:-1}"',
        '--vllm.num_engines "${GPUS:-1}"',
        "--vllm.gpu_memory_utilization 0.6",
        "--vllm.enable_sleep",
        "--ds.enable_sleep",
        "--ds.zero_stage 3",
        "--actor.gradient_checkpointing_enable",
        f"--ckpt.output_dir runs/{sheet}",
    ]


OPENRLHF = Exporter(
    name="openrlhf",
    project="https://github.com/OpenRLHF/OpenRLHF",
    sheets=rl_sheets(rl, _FIELDS, with_images={"prompt": part_turns()}),
    reward=Reward("reward_func.py", REWARD),
    starts=(as_script("train", _lines),),
    keeps_order="OpenRLHF shuffles prompts and has no switch for it, so the order is lost in training.",
    usage="""
Its own math reward reads `--data.label_key label`, the bare gold. A prompt with images that is longer than `data.max_len`
less `rollout.max_new_tokens` is an error, not cut.
""",
)
