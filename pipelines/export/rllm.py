"""rLLM: JSONL of messages, a `dataset.toml`, images as files, an agent that asks them as they were measured, our reward.

From rllm-org/rllm 9beb6e0 (August 2026): `rllm/tasks/loader.py` makes a task of every line of the file that `dataset.toml`
names, the line itself as its `metadata`; of a line that has images it would show the text first and each image once, after
it, under a system turn of the harness. So the export brings an agent (`rllm/types.py` `AgentFlow`), which sends the turns
as they are. `rllm/eval/module_evaluator.py` calls `evaluate(metadata, trajectory)` of the verifier that `dataset.toml`
names. A row that only a judge can grade would score 0 for ever, so it is dropped.
"""

import json
from typing import Any

from pipelines.export.conversation import marked
from pipelines.export.parts import Part, in_parts
from pipelines.export.rows import Image, Row, gold_of
from pipelines.export.sheet import Draft, Exported, Exporter, Reward, gradable, ground_truth, rl_sheets
from pipelines.export.starting import GROUP, as_script, batch

REWARD = '''

def evaluate(metadata, trajectory):
    """`reward` in [0, 1], `is_correct`, and the parts `accuracy` and `format` as signals."""
    said, truth = _held(trajectory, "output"), _held(metadata, "ground_truth")
    [found] = _verifier().graded([said], [truth], FORMAT_WEIGHT)
    signals = {name: found[name] for name in ("accuracy", "format")}
    return {"reward": found["score"], "is_correct": bool(found["acc"]), "signals": signals}
'''
_AGENT = '''"""An agent of rLLM that asks each row as it was measured: its system turn, and images at their places."""

import base64
import copy
import mimetypes
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Asker:
    """One reply to one prompt."""

    name = "curate"
    max_concurrent = 64

    def run(self, task, config):
        from openai import OpenAI
        from rllm.types import Episode, Step, Trajectory

        client = OpenAI(base_url=config.base_url, api_key="EMPTY")
        reply = client.chat.completions.create(model=config.model, messages=messages(task.metadata))
        said = reply.choices[0].message.content or ""
        steps = [Step(id="step-0", input=str(task.id), output=said)]
        made = Trajectory(uid=config.session_uid, name=self.name, task=task.id, steps=steps, output=said)
        return Episode(id=config.session_uid, task=task.id, trajectories=[made])


def messages(row):
    """The turns of a row, each image as a `data:` address."""
    turns = copy.deepcopy(row["messages"])
    for part in (part for turn in turns if isinstance(turn["content"], list) for part in turn["content"]):
        if part["type"] == "image_url":
            path = HERE / part["image_url"]["url"]
            kind = mimetypes.guess_type(path.name)[0] or "image/png"
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            part["image_url"] = {"url": f"data:{kind};base64,{data}"}
    return turns


agent = Asker()
'''


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt, its question as text for lists of tasks, and all that its reward needs."""
    gradable(row)

    def placed(image: Image) -> Part:
        return {"type": "image_url", "image_url": {"url": draft.place(image)}}

    asked = in_parts(row, placed) if draft.has_images else marked(row)
    return {"question": row.question, "messages": asked, "answer": gold_of(row), "ground_truth": ground_truth(row)}


def _files(exported: Exported) -> dict[str, str]:
    return {"curate_agent.py": _AGENT} | {f"{name}/dataset.toml": _toml(name, exported) for name in exported.sheets}


def _toml(sheet: str, exported: Exported) -> str:
    facts = {
        "name": f"{exported.release.label.replace('/', '-')}-{sheet}",
        "type": "simple",
        "data": f"../{sheet}.jsonl",
        "split": sheet,
        "instruction_field": "question",
    }
    verifier = {"module": "../curate_reward.py", "function": "evaluate"}
    lines = ["[dataset]", *_pairs(facts), "", "[verifier]", *_pairs(verifier)]
    return "\n".join(lines) + "\n"


def _pairs(facts: dict[str, str]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in facts.items()]


def _lines(sheet: str, exported: Exported) -> list[str]:
    held = ['--val-dataset "$HERE/val"'] if "val" in exported.sheets else []
    return [
        'PYTHONPATH="$HERE${PYTHONPATH:+:$PYTHONPATH}"',
        f'rllm train "$HERE/{sheet}"',
        *held,
        "--agent curate_agent:agent",
        '--model "$MODEL"',
        f"--group-size {GROUP}",
        f"--batch-size {batch(32, exported.rows[sheet])}",
        "--lr 1e-6",
        "--epochs 1",
        f"--max-tokens {exported.reply_tokens}",
        f'--output "$PWD/runs/{sheet}"',
    ]


RLLM = Exporter(
    name="rllm",
    project="https://github.com/rllm-org/rllm",
    sheets=rl_sheets(rl),
    reward=Reward("curate_reward.py", REWARD),
    files=_files,
    starts=(as_script("train", _lines),),
    keeps_order="rLLM shuffles tasks; its command has no switch for it, so the order is lost in training.",
    usage=lambda exported: (
        f"""
`PYTHONPATH=. rllm eval ./{"val" if "val" in exported.sheets else min(exported.sheets)} --agent curate_agent:agent --model
MODEL --base-url URL` evaluates a model on its rows, by the same prompts and reward.
"""
    ),
)
