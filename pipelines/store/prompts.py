"""The prompts log: what models were asked, written once a prompt key, the moment before it is sent.

The completions log holds replies under a key that is a hash; without this log nobody could say afterwards what the model
was shown. It lies beside the completions and is written the same way. No key depends on it: a build whose prompts are
not here asks nothing again.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import polars as pl

from pipelines.store.journal_lines import now, well_formed
from pipelines.store.journalled import Journalled
from pipelines.store.journalled_log import JournalledLog
from schemas.completion import Request
from schemas.json_row import fault

PROMPT = pl.Schema(
    {
        "key": pl.String(),
        "messages": pl.String(),
        "prefix": pl.String(),
        "form": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
    }
)
"""A prompt. `key` is the prompt key of its completions; `messages` is a JSON list of messages as they were sent, each
`{role, content: [{text} | {image: sha256}]}`; `form` is the constraint that the
reply was held to, as JSON `{kind, value}`, or null where it could have any form."""

ASKED = pl.Schema(
    {
        "prompt_key": pl.String(),
        "messages": pl.String(),
        "prefix": pl.String(),
        "form": pl.String(),
    }
)


def prompt_fault(row: Any) -> str | None:
    """What keeps a line of a journal from being a row of the log, as a clause; None where it is one."""
    return fault(row, PROMPT, {"form"})


class PromptsLog(JournalledLog):
    """The log in `folder`. Any number of processes may read and write at once; two may write the same prompt, and readers
    take either, for they are the same."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "prompts", PROMPT, prompt_fault)

    def messages(self, keys: Iterable[str]) -> pl.DataFrame:
        """The prompts of these keys that are known, each once, in order of key: columns of ASKED."""
        wanted = list(keys)
        found = [
            table.filter(pl.col("key").is_in(wanted)).select(pl.col("key").alias("prompt_key"), *list(ASKED)[1:])
            for table in (self.scan(wanted), self.journalled().lazy())
        ]
        return pl.concat(found).unique("prompt_key", keep="any").sort("prompt_key").collect()

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that parts hold."""
        return set(self.scan(keys).select("key").collect()["key"])

    def writer(self) -> "PromptWriter":
        return PromptWriter(self)


class PromptWriter:
    """Write side. Use it as a context manager."""

    def __init__(self, log: PromptsLog) -> None:
        self._rows = Journalled(log.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.finish()

    def append(self, request: Request, key: str) -> None:
        """Record what is about to be asked. When this returns, kill -9 cannot lose it."""
        constraint = request.constraint
        row = {
            "key": key,
            "messages": _json([message.to_json() for message in request.messages]),
            "prefix": well_formed(request.prefix),
            "form": None if constraint is None else _json(constraint.to_json()),
            "created_at": now(),
        }
        self._rows.append([row])


def _json(value: Any) -> str:
    return well_formed(json.dumps(value, ensure_ascii=False))
