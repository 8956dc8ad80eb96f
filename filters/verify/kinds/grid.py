"""Grids of cells: puzzles, jigsaws, tables."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal, unfenced
from filters.verify.normalise import words
from schemas.answer import GridAnswer

Rows = tuple[tuple[str, ...], ...]
MOST_CELLS = 10_000


class GridParams(Params):
    """How a partly right grid is scored."""

    metric: Literal["exact", "cells", "adjacency"] = "exact"
    direction: Literal["layout", "index"] = Field(
        default="layout",
        description="adjacency: the grid shows pieces at their places (layout), or each piece's place, 1-based (index)",
    )


def read_rows(text: str) -> Rows | None:
    """Rows of one length, from a nested list or from lines of cells separated by blanks, commas or bars."""
    text = unfenced(text).strip()
    try:
        value = read_literal(text)
    except NotLiteralError:
        value = None
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        cells = value
    else:
        lines = [line.strip(" |[](),") for line in text.replace(";", "\n").splitlines() if line.strip(" |-[](),")]
        cells = [re.split(r"[\s,|]+", line) for line in lines]
    if len({len(row) for row in cells}) != 1 or not 0 < len(cells) * len(cells[0]) <= MOST_CELLS:
        return None
    return tuple(tuple(words(str(cell)) for cell in row) for row in cells)


def read_gold(raw: str, options: Sequence[str], params: GridParams) -> GridAnswer:
    """At least one cell."""
    rows = read_rows(raw)
    if rows is None or not any(cell for row in rows for cell in row):
        raise GoldUnparseableError(f"not rows of one length: {raw[:80]!r}")
    return GridAnswer(raw=raw, rows=rows)


def judge(span: str, gold: GridAnswer, options: Sequence[str], params: GridParams) -> Outcome:
    """Grids of another shape score 0."""
    rows = read_rows(span)
    if rows is None:
        return wrong("not rows of one length")
    wanted = tuple(tuple(words(cell) for cell in row) for row in gold.rows)
    shown = "; ".join(" ".join(row) for row in rows)[:300]
    if (len(rows), len(rows[0])) != (len(wanted), len(wanted[0])):
        return wrong(f"{len(rows)}x{len(rows[0])} instead of {len(wanted)}x{len(wanted[0])}", shown)
    if rows == wanted:
        return Outcome(1.0, "the same grid", shown)
    if params.metric == "exact":
        return wrong("another grid", shown)
    score = _cells(rows, wanted) if params.metric == "cells" else _adjacency(rows, wanted, params.direction)
    return Outcome(score, f"{params.metric} {score:.3f}", shown)


def _cells(rows: Rows, wanted: Rows) -> float:
    pairs = [pair for mine, theirs in zip(rows, wanted, strict=True) for pair in zip(mine, theirs, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def _adjacency(rows: Rows, wanted: Rows, direction: str) -> float:
    """Share of the true neighbour pairs that are neighbours, the same way round, in the layout that the answer builds."""
    if Counter(c for r in rows for c in r) != Counter(c for r in wanted for c in r):
        return 0.0
    mine, theirs = (_layout(rows), _layout(wanted)) if direction == "index" else (rows, wanted)
    if mine is None or theirs is None:
        return 0.0
    true = _neighbours(theirs)
    return len(true & _neighbours(mine)) / len(true) if true else 0.0


def _layout(rows: Rows) -> Rows | None:
    """From "the piece at place k belongs to place v" to the pieces at their places."""
    cells = [cell for row in rows for cell in row]
    if sorted(cells) != sorted(str(k) for k in range(1, len(cells) + 1)):
        return None
    pieces = {int(v): str(k) for k, v in enumerate(cells, start=1)}
    width = len(rows[0])
    return tuple(tuple(pieces[y * width + x + 1] for x in range(width)) for y in range(len(rows)))


def _neighbours(rows: Rows) -> set[tuple[str, str, str]]:
    across = {(row[x], row[x + 1], "right") for row in rows for x in range(len(row) - 1)}
    down = {(rows[y][x], rows[y + 1][x], "below") for y in range(len(rows) - 1) for x in range(len(rows[0]))}
    return across | down


GRID = Kind(
    name="grid",
    params=GridParams,
    read_gold=read_gold,
    judge=judge,
    longest=200_000,
    metrics={
        "exact": Metric("1 if every cell is right", "SynLogic, Jigsaw-R1 `full`"),
        "cells": Metric("share of right cells", "Jigsaw-R1, partial score"),
        "adjacency": Metric(
            "share of the 2mn − m − n true neighbour pairs that are neighbours in the layout the answer builds",
            "stated by Jigsaw-R1, utils/reward.py, and computed here on the rebuilt layout",
        ),
    },
    gold_forms="lines of cells separated by blanks, commas or bars, `[[…], […]]`",
    response_forms="the same, in a code fence or not",
    show=lambda gold: "; ".join(" ".join(row) for row in gold.rows),
    symmetric=True,
)
