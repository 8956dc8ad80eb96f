"""The round-trip gate: a row is exported only if the trainer's own grader agrees with us about it.

Measured on five graders, no single encoding of a gold suits all; `$g$` with `\\boxed{g}` inside `<answer>` suits most. So
the gate tries the encodings in that order and takes the first with which the grader gives 1 on the gold and on the answer
that is trained on, and 0 on wrong ones.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
from pydantic import Field

from filters.verify.graders import GRADERS, Grader
from filters.verify.verifier import verify
from schemas.answer import load_answer
from schemas.ids import seeded
from schemas.section import Section
from schemas.split import Split, split

GRADED_KINDS = frozenset(("choice", "number", "expression"))
"""Kinds that trainers' own graders can judge. For all others a release's own reward function has to be used."""
_ENCODINGS = ("${}$", "\\boxed{{{}}}", "{}")


class RoundTripConfig(Section):
    """Which grader the rows must pass."""

    trainer: str = Field(description=f"one of {', '.join(GRADERS)}")
    wrong: int = Field(default=2, ge=1, description="answers of other rows that each row is tried with")
    seed: int = 0


def canonical(stated: str, reasoning: str = "…") -> str:
    """The completion shape that every grader reads: `<think>…</think><answer>\\boxed{g}</answer>`."""
    return f"<think>{reasoning}</think><answer>\\boxed{{{stated}}}</answer>"


def round_trip(rows: pl.DataFrame, config: RoundTripConfig) -> Split:
    """Adds `solution`, the gold as the trainer's grader wants it; drops rows that it grades otherwise than we do.

    `rows` has `id`, `answer` (the gold as JSON), `stated` (the gold as a response states it), `response` (what is
    trained on; null: nothing is). Wrong answers are other rows' golds that our own verifier calls wrong.
    Reasons: `export:round_trip`, with the grader and the first thing that it got wrong under the best encoding.
    """
    grader = GRADERS[config.trainer]
    others = rows["stated"].unique(maintain_order=True).to_list()
    found = [
        _encode(row["stated"], row["response"], _wrong(row, others, config), grader)
        for row in rows.select("id", "answer", "stated", "response").iter_rows(named=True)
    ]
    marked = rows.with_columns(
        pl.Series("solution", [solution for solution, _ in found], dtype=pl.String),
        pl.Series("__fault", [fault for _, fault in found], dtype=pl.String),
    )
    reason = pl.when(pl.col("__fault").is_not_null()).then(pl.lit("export:round_trip"))
    parted = split(
        marked, reason, {"grader": pl.lit(config.trainer), "fault": pl.col("__fault"), "gold": pl.col("stated")}
    )
    return Split(parted.kept.drop("__fault"), parted.dropped)


def fault(solution: str, right: Sequence[str], wrong: Sequence[str], grader: Grader) -> str | None:
    """The first disagreement between the grader and what is known; None when there is none."""
    for text in right:
        if (score := grader(text, solution)) != 1.0:
            return f"scores {score} on a right answer: {text[-120:]!r}"
    for text in wrong:
        if (score := grader(text, solution)) not in (0.0, None):
            return f"scores {score} on a wrong answer: {text[-120:]!r}"
    return None


def _encode(stated: str, response: str | None, wrong: list[str], grader: Grader) -> tuple[str | None, str | None]:
    right = [canonical(stated)] + ([response] if response is not None else [])
    faults = []
    for shape in _ENCODINGS:
        solution = shape.format(stated)
        about = fault(solution, right, [canonical(w) for w in wrong], grader)
        if about is None:
            return solution, None
        faults.append(about)
    return None, faults[0]


def _wrong(row: dict[str, Any], others: list[str], config: RoundTripConfig) -> list[str]:
    chance = seeded(config.seed, row["id"])
    gold = load_answer(row["answer"])
    drawn = sorted({chance.choice(others) for _ in range(4 * config.wrong)} - {row["stated"]})
    return [text for text in drawn if verify(text, gold, tags="plain").correct is False][: config.wrong]
