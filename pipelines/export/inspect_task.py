"""inspect_ai: a task file whose samples are the prompts of a release, with their images, and whose scorer is our reward.

Checked against inspect_ai 0.3.285. It takes `<think>…</think>` out of a reply's text (`model/_reasoning.py`), so the scorer
puts the thoughts back before it judges; and it finds a task by a relative path only (`_eval/list.py`). A reply that nobody
can score is unscored there, and in no mean.
"""

from pipelines.export.environment import PICK, SHEETS
from pipelines.export.sheet import Exported, Exporter, Reward
from pipelines.export.starting import as_script

_TASK = (
    """
import json

import anyio
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import generate

CONFIGS = tuple(sorted(path.stem for path in Path(HERE).glob("*.jsonl")))
DEFAULT = next((name for name in ("holdout", "rl") if name in CONFIGS), "".join(CONFIGS[:1]))
"""
    + PICK
    + '''

def _part(part):
    if part["type"] == "image":
        return ContentImage(image=str(Path(HERE) / part["image"]))
    return ContentText(text=part["text"])


def _sample(row):
    turns = [ChatMessageSystem(content=row["system"])] if row["system"] else []
    turns.append(ChatMessageUser(content=[_part(part) for part in row["content"]]))
    kept = ("ground_truth", "verifier", "dataset", "band", "k", "n", "order")
    return Sample(id=row["id"], input=turns, target=row["solution"], metadata={name: row.get(name) for name in kept})


def _reply(output):
    """All that the model wrote: inspect has taken the thoughts out of the text."""
    content = output.message.content if output.choices else ""
    if isinstance(content, str):
        return content
    return "\\n".join(part.text for part in content if part.type in ("reasoning", "text"))


@scorer(metrics={"accuracy": [mean(), stderr()], "format": [mean(), stderr()]})
def curate_reward():
    """`accuracy` is the verdict by which the release was curated, `format` whether the reply is laid out as it asks."""

    async def score(state, target):
        reply, truth = _reply(state.output), _held(state.metadata, "ground_truth")
        grade = (await anyio.to_thread.run_sync(_verifier().graded, [reply], [truth]))[0]
        if grade["unscored"]:
            return Score.unscored(answer=reply, reason="nobody can tell")
        return Score(value={"accuracy": grade["accuracy"], "format": grade["format"]}, answer=reply)

    return score


@task
def curate(config=DEFAULT):
    """The prompts of a config of the release, as they were asked when they were measured."""
    samples = [_sample(row) for row in _rows(config)]
    dataset = MemoryDataset(samples, name=f"{RELEASE}/{config}")
    return Task(dataset=dataset, solver=generate(), scorer=curate_reward(), metadata={"verifier": VERIFIER})
'''
)


def _command(sheet: str, exported: Exported) -> list[str]:
    logs = '--log-dir "${INSPECT_LOG_DIR:-$OLDPWD/logs}"'
    return ['cd "$HERE" && inspect eval task.py', f"-T config={sheet}", '--model "vllm/$MODEL"', logs]


INSPECT = Exporter(
    name="inspect",
    project="https://github.com/UKGovernmentBEIS/inspect_ai",
    sheets=SHEETS,
    reward=Reward("task.py", _TASK),
    starts=tuple(as_script(sheet, _command) for sheet in ("holdout", "rl")),
    keeps_order="inspect keeps it, unless `--sample-shuffle` is given.",
    usage="""
`pip install inspect_ai` first. `inspect eval task.py -T config=NAME` asks the prompts of any dataset below, `holdout` unless
it is given, of any of inspect's models: of a server, `--model openai-api/local/NAME --model-base-url http://HOST:8000/v1`.
The log has `accuracy`, the verdict by which the release was curated, and `format`. `--epochs 8 --temperature 1.0` measures
pass rates again.
""",
)
