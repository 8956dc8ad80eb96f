"""What a step asked models about a row, and what they replied: from the step's table of requests and the logs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.explain.recorded import RecordedBuild, StepFacts
from pipelines.run.build import Build
from pipelines.store.completions import CompletionsLog, wanted_rows
from pipelines.store.prompts import PromptsLog
from pipelines.store.step_tables import REQUESTED
from pipelines.store.workspace import Workspace
from schemas.completion import Request, prompt_key
from schemas.ids import content_id


@dataclass(frozen=True)
class Reply:
    """A sample that was wanted of a model; `finish_reason` is None where there is none, and `error` then says why."""

    index: int
    text: str
    reasoning: str | None
    finish_reason: str | None
    tokens: int | None
    error: str | None


@dataclass(frozen=True)
class Exchange:
    """A prompt as a model was asked it, and its replies. `messages` is None where the prompts log does not know it."""

    model: str
    messages: list[dict[str, Any]] | None
    prefix: str
    constraint: dict[str, str] | None
    replies: list[Reply]


def exchanges(
    workspace: Workspace, build: RecordedBuild, step: StepFacts, bucket: int, row: str, made: str | None = None
) -> list[Exchange]:
    """What `step` asked about `row`, in the order in which it asked. With `made`, an id of a row that a reply became or
    would have become, only that reply and what was tried before and after it for its sake."""
    requested = build.table(step.name, REQUESTED, bucket)
    if requested is None:
        return []
    asked = requested.filter(pl.col("id") == row)
    if made is not None:
        asked = _for_one(step.name, asked, made)
    prompts = PromptsLog(workspace.prompts).messages(asked["prompt_key"])
    known = {found["prompt_key"]: found for found in prompts.iter_rows(named=True)}
    replies = _replies(workspace.completions, asked)
    result: dict[tuple[str, str], Exchange] = {}
    for one in asked.iter_rows(named=True):
        at = (one["model"], one["prompt_key"])
        if at not in result:
            result[at] = _exchange(one["model"], known.get(one["prompt_key"]))
        result[at].replies.append(replies.get(one["key"]) or _none(one["index"]))
    return list(result.values())


def _for_one(step: str, asked: pl.DataFrame, made: str) -> pl.DataFrame:
    """The requests that served one reply: tries of it, and turns that went on from it. All, where none leads to it."""
    served: list[int] = []
    for (model,), mine in asked.with_row_index("row").group_by("model", maintain_order=True):
        owner: dict[int, int] = {}
        rows = list(mine.select("row", "id", "turn", "of", "index").iter_rows())
        for place, (_, _, turn, of, index) in enumerate(rows):
            owner[place] = index if turn == 0 else owner.get(of, -1)
        hit = next((p for p, (_, id_, _, _, i) in enumerate(rows) if content_id([step, id_, model, i]) == made), None)
        if hit is not None:
            served += [rows[place][0] for place in owner if owner[place] == owner[hit]]
    return asked[served] if served else asked


def _replies(log: Path, asked: pl.DataFrame) -> dict[str, Reply]:
    """By the key of the completion: the first answer, which is the one that counts, or else the last failure."""
    keys, found = asked["key"].to_list(), CompletionsLog(log)
    failures = found.failures.scan(keys).sort("created_at").collect()
    replies = {f["key"]: _none(f["index"], f["error"]) for f in failures.iter_rows(named=True)}
    columns = ("key", "index", "text", "reasoning", "finish_reason", "completion_tokens")
    answers = found.scan(keys).sort("created_at", "text", descending=True)
    for key, index, text, reasoning, end, tokens in answers.select(columns).collect().iter_rows():
        replies[key] = Reply(index, text, reasoning, end, tokens, None)
    return replies


def exchange_of(build: Build, model: str, request: Request) -> Exchange:
    """What a request asks a model of the recipe, and what the logs know of the replies."""
    identity = build.identities[model]
    wanted = wanted_rows(request, prompt_key(identity, request))
    keys = pl.DataFrame({"key": [key for *_, key in wanted], "index": [index for _, _, index, _ in wanted]})
    known = _replies(build.workspace.completions, keys)
    replies = [known.get(key) or _none(index) for _, _, index, key in wanted]
    constraint = None if request.constraint is None else request.constraint.to_json()
    return Exchange(model, [turn.to_json() for turn in request.messages], request.prefix, constraint, replies)


def _exchange(model: str, prompt: dict[str, Any] | None) -> Exchange:
    if prompt is None:
        return Exchange(model, None, "", None, [])
    constraint = None if prompt["form"] is None else json.loads(prompt["form"])
    return Exchange(model, json.loads(prompt["messages"]), prompt["prefix"], constraint, [])


def _none(index: int, error: str | None = None) -> Reply:
    return Reply(index, "", None, None, None, error)
