"""The failures log: what models refused, or could not be reached for, in their last words. A failure is no answer.

It lies beside the completions and is written the same way. From it alone follows whether a refused sample is asked
again (`pipelines.run.refusals`), and what a dropped row says of it.
"""

from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from pipelines.store.journalled_log import JournalledLog
from schemas.json_row import fault

Kind = Literal["refused", "unanswered"]

FAILURE = pl.Schema(
    {
        "key": pl.String(),
        "prompt_key": pl.String(),
        "index": pl.Int32(),
        "model": pl.String(),
        "kind": pl.String(),
        "error": pl.String(),
        "terms": pl.String(),
        "run": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
    }
)
"""One sample that was asked for in vain. `key` is that of the completion; `kind` is `refused` (asked again as it is, it will
be refused again) or `unanswered` (nobody was there); `terms` stands for the server and the limits, `run` for the build."""


def failure_fault(row: Any) -> str | None:
    """What keeps a line of a journal from being a row of the log, as a clause; None where it is one."""
    wrong = fault(row, FAILURE, ())
    if wrong is None and row["kind"] not in get_args(Kind):
        wrong = f"'kind' is '{row['kind'][:40]}'"
    return wrong


class FailuresLog(JournalledLog):
    """Read side of the log in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "failures", FAILURE, failure_fault, by=("model",))
