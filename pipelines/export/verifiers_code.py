"""The module of a package for verifiers: tasks, their rewards, and how they are asked."""

from pipelines.export.environment import PICK

CODE = (
    """
import asyncio
import base64
import json
import mimetypes

import httpx
import verifiers.v1 as vf

__all__ = ["CurateEnv", "CurateHarness", "CurateTaskset"]

CONFIGS = tuple(sorted(path.stem for path in Path(HERE).glob("*.jsonl")))
DEFAULT = next((name for name in ("rl", "holdout") if name in CONFIGS), "".join(CONFIGS[:1]))
"""
    + PICK
    + '''

def _part(part):
    if part["type"] == "text":
        return vf.TextContentPart(text=part["text"])
    file = Path(HERE) / part["image"]
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    url = f"data:{mimetypes.guess_type(file.name)[0] or 'image/png'};base64,{data}"
    return vf.ImageUrlContentPart(image_url=vf.ImageUrlSource(url=url))


class CurateData(vf.TaskData):
    """A prompt, and all that the reward needs."""

    ground_truth: str
    solution: str
    verifier: str | None = None
    dataset: str | None = None
    band: str | None = None
    k: int | None = None
    n: int | None = None
    order: int | None = None


def _reply(trace):
    """All that the model wrote, its thoughts in the text where a server has taken them out."""
    turns = trace.assistant_messages
    text, thought = (turns[-1].content or "", turns[-1].reasoning_content) if turns else ("", None)
    return f"<think>{thought}</think>\\n{text}" if thought and "<think>" not in text else text


class CurateTask(vf.Task[CurateData]):
    """`accuracy` is the verdict by which the release was curated, `format` whether the reply is laid out as it asks."""

    @property
    def key(self):
        return self.data.id

    @vf.reward(weight=1 - FORMAT_WEIGHT)
    async def accuracy(self, trace: vf.Trace) -> float:
        grade = await asyncio.to_thread(_verifier().graded, [_reply(trace)], [self.data.ground_truth])
        trace.record_metric("unscored", grade[0]["unscored"])
        return grade[0]["accuracy"]

    @vf.reward(weight=FORMAT_WEIGHT)
    async def format(self, trace: vf.Trace) -> float:
        return _verifier().format_of(_reply(trace), self.data.ground_truth)


class CurateConfig(vf.TasksetConfig):
    config: str = DEFAULT
    """Which prompts of the release: `rl` to train on, `holdout` to evaluate on."""


class CurateTaskset(vf.Taskset[CurateTask, CurateConfig]):
    """The prompts of a config of the release, as they were asked when they were measured."""

    def load(self):
        for row in _rows(self.config.config):
            prompt = [vf.UserMessage(content=[_part(part) for part in row["content"]])]
            known = {name: row.get(name) for name in CurateData.__annotations__}
            yield CurateTask(
                CurateData(id=row["id"], prompt=prompt, system_prompt=row["system"] or None, **known), self.config.task
            )


class CurateHarnessConfig(vf.HarnessConfig):
    pass


class CurateHarness(vf.Harness[CurateHarnessConfig]):
    """One request and one reply, without tools and without a word that is not the prompt's."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data):
        system, prompt = self.resolve_prompt(data)
        turns = [{"role": "system", "content": system}] if system else []
        turns += [message.model_dump(mode="json") for message in prompt]
        async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
            reply = await client.post(
                f"{endpoint}/chat/completions",
                headers={"Authorization": f"Bearer {secret}"},
                json={"model": ctx.model, "messages": turns},
            )
        return vf.ProgramResult(exit_code=int(reply.is_error), stdout="", stderr=reply.text if reply.is_error else "")


class CurateEnvConfig(vf.EnvConfig):
    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())


class CurateEnv(vf.Env[CurateEnvConfig]):
    """One agent, where the environment itself runs: there is nothing to shut away."""

    async def run(self, task, agents):
        await agents.agent.run(task)
'''
)
