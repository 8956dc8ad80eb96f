"""Whether images arrive at a model: prompts of a step are asked once more without their images.

A server that takes no images, or a chat template without a place for them, often answers as if nothing were wrong. A prompt
that has no more tokens with an image than without it had none in it. Where nobody counts tokens, both are answered at
temperature 0; if all answers agree, nothing was seen.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.run.asking import Asking
from pipelines.run.context import StepContext
from pipelines.run.runner import Runner
from pipelines.store.step_tables import REQUESTED, part
from pipelines.store.table_files import read_table
from schemas.completion import ImagePart, Message, Request, Sampling
from schemas.errors import CurateError
from schemas.step import Asks

PROMPTS = 4
"""Prompts of a step and model that are asked again."""

NO_IMAGE_TOKENS = 2
"""Prompt tokens an image up to which there was none: a server that ignores images may still count a placeholder for each."""

_SAMPLING = Sampling(temperature=0.0, max_tokens=16)


@dataclass(frozen=True)
class Arrival:
    """Whether a model got the images that a step sent it, and how that is known."""

    step: str
    model: str
    arrived: Literal["yes", "no", "unknown"]
    why: str


class _Sent(NamedTuple):
    """A prompt with images that was answered, and how many tokens the server counted in it."""

    request: Request
    tokens: int | None


Answers = Mapping[str, tuple[str, int | None]]
"""Reply and prompt tokens, by the id of the request."""


def arrivals(runner: Runner, folder: Path) -> Iterator[Arrival]:
    """For each step and model that was sent images: whether they got there. Asks through the log; `folder` is scratch."""
    for step in runner.pipeline.steps:
        asks = step.type.asks
        if asks is not None and not asks.changes_images and runner.record.step(step.name) is not None:
            for model in step.models:
                if sent := _sent(runner, step, model):
                    yield _arrival(runner, step, model, sent, folder)


def _arrival(runner: Runner, step: Step, model: str, sent: list[_Sent], folder: Path) -> Arrival:
    try:
        blind = _ask(runner, step, model, [without_images(one.request) for one in sent], folder)
        counts = _counts(sent, blind)
        if counts:
            return by_usage(step.name, model, counts)
        seen = _ask(runner, step, model, [one.request for one in sent], folder)
    except CurateError as failed:
        return Arrival(step.name, model, "unknown", f"asking without the image failed: {failed}")
    return by_answers(step.name, model, seen, blind)


def without_images(request: Request) -> Request:
    """The same request, blind."""
    turns = (Message(m.role, tuple(p for p in m.content if not isinstance(p, ImagePart))) for m in request.messages)
    return replace(request, messages=tuple(turns))


def _sent(runner: Runner, step: Step, model: str) -> list[_Sent]:
    """The first prompts with images that the model answered, each once."""
    build, folder = runner.build, runner.build.folder / step.name
    runner.record.check([step])
    paths = [path for bucket in range(runner.record.buckets) if (path := part(folder, REQUESTED, bucket)).is_file()]
    found: list[_Sent] = []
    for path in paths:
        asked = read_table(path).filter(pl.col("model") == model)
        prompts = build.prompts.messages(asked["prompt_key"]).filter(
            pl.col("messages").str.contains('"image": ', literal=True)
        )
        answers = build.log.scan(asked["key"]).filter(pl.col("finish_reason") != "error")
        known = asked.join(answers.select("key", "prompt_tokens").collect(), on="key").unique(
            "prompt_key", keep="first"
        )
        rows = prompts.join(known, on="prompt_key").head(PROMPTS - len(found))
        found += [_Sent(_request(row), row["prompt_tokens"]) for row in rows.iter_rows(named=True)]
        if len(found) == PROMPTS:
            break
    return found


def _request(row: Mapping[str, Any]) -> Request:
    turns = (
        Message(turn["role"], tuple(p["text"] if "text" in p else ImagePart(p["image"]) for p in turn["content"]))
        for turn in json.loads(row["messages"])
    )
    return Request(row["prompt_key"], tuple(turns), _SAMPLING, prefix=row["prefix"])


def _ask(runner: Runner, step: Step, model: str, requests: list[Request], folder: Path) -> Answers:
    """Ask a model, with the log as memory."""
    asks = Asks[Any](lambda config: (model,), lambda rows, config: iter(requests))
    probe = replace(step, name=f"{step.name}, images?", type=replace(step.type, asks=asks))
    rows = pl.DataFrame({"id": [request.id for request in requests]})
    context = StepContext(runner.build, probe, runner.tables, runner.record)
    asking = Asking(runner.build, probe, context, lambda bucket: rows, [0], folder)
    asking.ask()
    asked = asking.asked(0).select("id", "key")
    found = runner.build.log.scan(asked["key"]).filter(pl.col("finish_reason").is_in(["stop", "length"]))
    texts = found.select("key", "text", "reasoning", "prompt_tokens").collect().unique("key", keep="any")
    rows = asked.join(texts, on="key").select("id", "text", "reasoning", "prompt_tokens")
    return {id_: (f"{reasoning or ''}{text}", tokens) for id_, text, reasoning, tokens in rows.iter_rows()}


def _counts(sent: list[_Sent], blind: Answers) -> list[float]:
    """Prompt tokens an image, by prompt, where both counts are known."""
    found = []
    for request, seen in sent:
        bare = blind.get(request.id, ("", None))[1]
        if seen and bare:
            found.append((seen - bare) / len(request.images))
    return found


def by_usage(step: str, model: str, counts: list[float]) -> Arrival:
    if max(counts) > NO_IMAGE_TOKENS:
        return Arrival(step, model, "yes", f"a prompt has {max(counts):.0f} tokens more with an image than without it")
    return Arrival(step, model, "no", "a prompt has as many tokens with an image as without it")


def by_answers(step: str, model: str, seen: Answers, blind: Answers) -> Arrival:
    both = [(seen[id_][0], blind[id_][0]) for id_ in seen if id_ in blind]
    if not both:
        return Arrival(step, model, "unknown", "nothing was answered")
    if all(a == b for a, b in both):
        few = "; one row says little, take more with -n" if len(both) == 1 else ""
        return Arrival(step, model, "no", f"all {len(both)} answers are the same with the image and without it{few}")
    return Arrival(step, model, "yes", "answers differ with the image and without it")
