"""verl: parquet for RL with our reward as `custom_reward_function`, and conversations for its SFT trainer.

Checked against verl 0.9.1. `utils/dataset/rl_dataset.py` and `multiturn_sft_dataset.py` split texts at `<image>` and assert
that marks and images are equal in number, and concatenate files, whose Arrow schemas must be the same down to
`extra_info` (verl issue 2386): here every file of every release has one. Rewards are chosen by `data_source` and an unknown
one raises, so the reward file is needed; it gets `reward_model.ground_truth`, in which all lies that our verifier needs. A
row that only a judge can grade is dropped: verl cannot skip it, it would score 0 for ever.
"""

from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, Sheet, embedded, gradable, ground_truth
from pipelines.export.starting import GROUP, as_script, batch, quoted
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
    facts = {"index": draft.number, "id": row.columns["id"], "question": row.question, "answer": gold_of(row)}
    return {
        "data_source": f"curate/{row.columns['dataset']}",
        "prompt": marked(row),
        "images": embedded(row),
        "ability": row.columns["verifier"],
        "reward_model": {"style": "rule", "ground_truth": ground_truth(row)},
        "extra_info": {"split": draft.split, **facts},
    }


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return {"messages": marked(row, "response"), "images": embedded(row)}


def _files(key: str, parts: tuple[str, ...]) -> str:
    return f'"data.{key}=[{",".join(quoted(f"$HERE/{part}") for part in parts)}]"'


def _rl_lines(sheet: str, exported: Exported) -> list[str]:
    held, rows = exported.parts.get("val", ()), exported.rows[sheet]
    # verl wants a file there; where nothing is held out, nothing is evaluated.
    never = [] if held else ["trainer.val_before_train=False", "trainer.test_freq=-1"]
    return [
        "python3 -m verl.trainer.main_ppo",
        "algorithm.adv_estimator=grpo",
        _files("train_files", exported.parts[sheet]),
        _files("val_files", held or exported.parts[sheet]),
        f"data.train_batch_size={batch(128, rows)}",
        "data.max_prompt_length=2048",
        f"data.max_response_length={exported.reply_tokens}",
        "data.filter_overlong_prompts=True",
        f'"actor_rollout_ref.model.path={quoted("$MODEL")}"',
        "actor_rollout_ref.actor.optim.lr=1e-6",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={batch(64, rows)}",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=2",
        "actor_rollout_ref.actor.use_kl_loss=True",
        "actor_rollout_ref.rollout.name=vllm",
        f"actor_rollout_ref.rollout.n={GROUP}",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=2",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=2",
        f'"reward.custom_reward_function.path={quoted("$HERE/reward.py")}"',
        "reward.custom_reward_function.name=compute_score",
        "trainer.logger=[console]",
        "trainer.total_epochs=1",
        *never,
    ]


def _sft_lines(sheet: str, exported: Exported) -> list[str]:
    return [
        'torchrun --standalone --nproc_per_node="${GPUS:-1}" -m verl.trainer.sft_trainer',
        _files("train_files", exported.parts[sheet]),
        f"data.max_length={exported.room(sheet)}",
        f"data.train_batch_size={batch(16, exported.rows[sheet])}",
        "data.micro_batch_size_per_gpu=1",
        f'"model.path={quoted("$MODEL")}"',
        "optim.lr=1e-5",  # verl's own is 1e-3, of all weights
        "optim.lr_warmup_steps_ratio=0.03",
        "optim.lr_scheduler_type=cosine",
        "trainer.logger=[console]",
        "trainer.total_epochs=1",
        f"trainer.default_local_dir=runs/{sheet}",
    ]


VERL = Exporter(
    name="verl",
    project="https://github.com/volcengine/verl",
    sheets=(
        Sheet("train", "rl", rl, _RL),
        Sheet("val", "holdout", rl, _RL),
        Sheet("sft", "sft", sft, {"messages": TURNS, "images": IMAGES}),
    ),
    reward=Reward("reward.py", REWARD),
    starts=(as_script("train", _rl_lines), as_script("sft", _sft_lines, bound="data.max_length")),
    keeps_order="verl's RL trainer keeps it with `data.shuffle=False`; its SFT trainer (0.9.1) always shuffles.",
    usage="""
What follows a script's name overrides its settings: `bash train.sh trainer.n_gpus_per_node=2`. Prompts longer than
`data.max_prompt_length` (images count) are left out by verl when it loads; its SFT trainer stops at a conversation longer
than `data.max_length`. `pip install qwen-vl-utils` opens images.
""",
)
