"""Builds of three questions whose rollouts a server on loopback answers, for tests of what servers refuse and lose."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chat_server import Answer, Asked, ChatServer, Decide, completion
from tiny import dropped, records

from flows.funnel import funnel_rows
from pipelines.job import Job, compile_recipe, open_job

ROWS = [
    {"question": "alpha: two plus two?", "answer": "4", "kind": "number"},
    {"question": "beta: one plus three?", "answer": "4", "kind": "number"},
    {"question": "gamma: eight halved?", "answer": "4", "kind": "number"},
]

RECIPE = """\
name: r
models:
  m: {model: m, engine: openai, base_urls: [URL]}
sources:
  - {type: jsonl, name: rows, path: ROWS, license: MIT}
driver: {max_retries: 1, backoff_s: 0.0, backoff_max_s: 1.0, workers: 1}
steps:
  - rollout: {model: m, n: 2, sampling: {temperature: 1.0, max_tokens: 64}}
"""


class Server(ChatServer):
    """Answers 4 to everything, but for `odd`, which answers the questions with the word gamma, where it is set."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.odd: Decide | None = None
        self.given = 0

    @property
    def asked(self) -> int:
        return len(self.calls)

    def _answer(self, body: Asked) -> Answer:
        found = (self.odd if self.odd and "gamma" in json.dumps(body["messages"]) else completion)(body)
        if found[0] == 200 and isinstance(found[2], dict):
            with self.lock:
                self.given += len(found[2].get("choices") or ())
        return found


def job(
    folder: Path,
    server: ChatServer,
    *overrides: str,
    rows: list[dict[str, Any]] | None = None,
    steps: str = "",
    out: Path | None = None,
    **how: Any,
) -> Job:
    """The job of the three rows (or `rows`) in the folder's workspace, or in `out`; `steps` are lines after those of the
    recipe."""
    source, lines = folder / "rows.jsonl", "\n".join(json.dumps(row) for row in rows or ROWS)
    if not source.exists() or source.read_text() != lines:  # a file that is written again counts as another
        source.write_text(lines)
    text = RECIPE.replace("URL", json.dumps(server.url)).replace("ROWS", str(source))
    (folder / "r.yaml").write_text(text + steps)
    return open_job(compile_recipe(str(folder / "r.yaml"), overrides), out or folder / "out", **how)


def built(folder: Path, server: ChatServer, *overrides: str, **how: Any) -> Job:
    """The same, built."""
    found = job(folder, server, *overrides, **how)
    found.run()
    return found


def rollouts(job: Job) -> Mapping[str, Any]:
    """What is recorded of the step that asks."""
    return records(job)["rollout"]


def unanswered(job: Job) -> int:
    """Samples that the next build asks for once more."""
    return int(next(iter(rollouts(job)["buckets"].values()))["unanswered"])


def lost(job: Job, step: str = "rollout") -> list[tuple[str, str]]:
    """Reason and last words of every row that the step dropped."""
    table = dropped(job, step)
    return sorted(
        (reason, json.loads(evidence)["error"]) for reason, evidence in table.select("reason", "evidence").rows()
    )


def funnel(job: Job) -> dict[str, dict[str, Any]]:
    """The funnel's rows by step, of all that is recorded."""
    return {row["step"]: row for row in funnel_rows(job.records())}
