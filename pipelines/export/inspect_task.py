"""inspect_ai: a task file whose samples are the prompts of a release, with their images, and whose scorer is our reward.

Checked against inspect_ai 0.3.285. It takes the first `<think>…</think>` out of a reply's text and forgets where it was
(`model/_reasoning.py`), so the task's solver keeps the text as it came, and the scorer judges that; a thought that a server
gave apart goes in front, as for any trainer. It finds a task by a relative path only (`_eval/list.py`). A reply that nobody
can score is unscored there, and in no mean.
"""

from pipelines.export.environment import PICK, SHEETS, first
from pipelines.export.sheet import Exported, Exporter, Reward
from pipelines.export.starting import as_script

_TASK = (
    """
import json
from contextvars import ContextVar

import anyio
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, ContentText
from inspect_ai.model import _openai as replies
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import solver

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


_PARSED = ContextVar("_PARSED", default=None)


def _keeping(parse):
    """`parse`, which takes a thought out of a text; the text as it came is kept for the sample that is being asked."""

    def parsed(content, *more, **named):
        if (kept := _PARSED.get()) is not None:
            kept.append(content)
        return parse(content, *more, **named)

    return parsed


if hasattr(replies, "parse_content_with_reasoning"):
    replies.parse_content_with_reasoning = _keeping(replies.parse_content_with_reasoning)


@solver
def asked():
    """One request, as `generate()` makes it."""

    async def solve(state, generate):
        kept = []
        before = _PARSED.set(kept)
        try:
            state = await generate(state)
        finally:
            _PARSED.reset(before)
        state.store.set("as_written", kept[-1] if kept else None)
        return state

    return solve


def _reply(output, as_written=None):
    """All that the model wrote, as it wrote it; a thought that came apart from the text is in front of it."""
    content = output.message.content if output.choices else ""
    if isinstance(content, str):
        return content
    if as_written and any(part.type == "reasoning" and part.internal == "think" for part in content):
        return as_written
    return "\\n".join(part.text for part in content if part.type in ("reasoning", "text"))


@scorer(metrics={"accuracy": [mean(), stderr()], "format": [mean(), stderr()]})
def curate_reward():
    """`accuracy` is the verdict by which the release was curated, `format` whether the reply is laid out as it asks."""

    async def score(state, target):
        reply = _reply(state.output, state.store.get("as_written"))
        truth = _held(state.metadata, "ground_truth")
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
    return Task(dataset=dataset, solver=asked(), scorer=curate_reward(), metadata={"verifier": VERIFIER})
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
    installs="pip install inspect_ai -r requirements.txt",
    usage=lambda exported: (
        f"""
`inspect eval task.py -T config=NAME` asks the prompts of any dataset below, `{first(exported, "holdout", "rl")}` unless it
is given, of any of inspect's models: of a server, `--model openai-api/local/NAME --model-base-url http://HOST:8000/v1`.
The log has `accuracy`, the verdict by which the release was curated, and `format`. `--epochs 8 --temperature 1.0` measures
pass rates again.
"""
    ),
)
