"""slime: one JSONL file a dataset, turns with marks and images inside as `data:` addresses, and our reward as a coroutine.

From THUDM/slime 624b824 (August 2026): `slime/utils/data.py` reads one file (`--prompt-data`), cuts strings at `<image>`,
puts an image of `images` into each place and asserts that none is left (`--multimodal-keys`); `utils/processing_utils.py`
opens paths and `data:` addresses, here the latter, because its workers run in folders of their own.
`slime/rollout/rm_hub/__init__.py` awaits `reward(args, sample)` of `--custom-rm-path`, or with all samples of a group at
once; `sample.label` is the column `--label-key`. It has no way to skip a sample, so rows that only a judge can grade are
dropped.
"""

from typing import Any

from pipelines.export.conversation import data_uri, marked
from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, gradable, ground_truth, rl_sheets
from pipelines.export.starting import as_script

REWARD = '''

async def reward(args, sample, **kwargs):
    """One score in [0, 1], or a list of them for a list of samples; a sample's label is the column `ground_truth`."""
    import asyncio

    samples = sample if isinstance(sample, (list, tuple)) else [sample]
    said, labels = ([getattr(one, name, None) for one in samples] for name in ("response", "label"))
    found = await asyncio.to_thread(_verifier().graded, said, labels, FORMAT_WEIGHT)
    scores = [one["score"] for one in found]
    return scores if isinstance(sample, (list, tuple)) else scores[0]
'''


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, its images, and its gold: as it was published, and with all that our reward needs."""
    gradable(row)
    return {
        "messages": marked(row),
        "images": [data_uri(image) for image in row.images],
        "label": gold_of(row),
        "ground_truth": ground_truth(row),
        "metadata": {"source_name": row.columns["dataset"]},
    }


def _lines(sheet: str, exported: Exported) -> list[str]:
    seen = ["""--multimodal-keys '{"image": "images"}'"""] if exported.release.has_images else []
    held = ['--eval-prompt-data holdout "$HERE/val.jsonl"', "--eval-interval 20"] if "val" in exported.sheets else []
    return [
        'source "${SLIME:=/root/slime}/scripts/models/${ARCH:?is the file of scripts/models for MODEL}.sh"; ray job submit',
        '--address="http://127.0.0.1:8265"',
        '--runtime-env-json="{\\"env_vars\\": {\\"PYTHONPATH\\": \\"$HERE:${PYTHONPATH:-/root/Megatron-LM}\\"}}"',
        '-- python3 "$SLIME/train.py"',
        '"${MODEL_ARGS[@]}"',
        '--hf-checkpoint "$MODEL" --load "$MODEL"',
        f'--prompt-data "$HERE/{sheet}.jsonl"',
        "--input-key messages",
        "--label-key ground_truth",
        "--apply-chat-template",
        *seen,
        "--custom-rm-path curate_reward.reward",
        *held,
        "--advantage-estimator grpo",
        "--num-epoch 1",
        "--rollout-batch-size 32",
        "--n-samples-per-prompt 8",
        "--global-batch-size 256",
        "--rollout-max-response-len 1024",
        "--lr 1e-6",
        '--actor-num-nodes 1 --actor-num-gpus-per-node "${GPUS:-8}" --colocate',
        "--rollout-num-gpus-per-engine 1",
    ]


SLIME = Exporter(
    name="slime",
    project="https://github.com/THUDM/slime",
    sheets=rl_sheets(rl),
    reward=Reward("curate_reward.py", REWARD),
    starts=(as_script("train", _lines, "MODEL=FOLDER ARCH=NAME bash {file}"),),
    keeps_order="slime keeps it unless `--rollout-shuffle` is given.",
    usage="""
`SLIME` is the folder of slime, `ARCH` one of its `scripts/models` (`qwen3.5-4B`), `MODEL` a folder that holds that very
model, and `ray start --head` has begun a cluster. slime's own `--rm-type` read `--label-key label`, the bare gold. It opens
all images of a file when it loads it.
""",
)
