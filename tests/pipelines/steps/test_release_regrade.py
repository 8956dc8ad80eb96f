"""Pieces of rollouts go to processes a few at a time, and every one comes back."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from filters.difficulty import DifficultyConfig
from pipelines.run.context import StepContext
from pipelines.steps import release_regrade
from pipelines.steps.release_regrade import TOGETHER, grade_pieces, regraded_by

KNOWN = pl.DataFrame({"sample_id": ["a", "b"]})


class Elsewhere:
    """Does all work as other processes would: by what can be sent."""

    def each(
        self,
        function: Callable[..., Any],
        work: dict[int, tuple[Any, ...]],
        done: Callable[[int], None],
        *,
        near: bool,
    ) -> dict[int, Any]:
        assert function is grade_pieces
        assert near, "the tables that are graded lie in the scratch of this machine"
        sent = pickle.loads(pickle.dumps(work))
        assert all(len(pieces) <= TOGETHER for pieces, *_ in sent.values())
        return {number: function(cast(StepContext, self), number, *more, done) for number, more in sent.items()}


@pytest.mark.parametrize("count", [0, 1, TOGETHER, 2 * TOGETHER + 1])
def test_every_piece_is_graded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def graded(
        path: Path, group: int, known: pl.DataFrame, config: DifficultyConfig, done: Callable[[int], None]
    ) -> dict[str, int]:
        assert known.equals(KNOWN)
        assert config == DifficultyConfig()
        done(10)
        return {path.name: group}

    monkeypatch.setattr(release_regrade, "grade_piece", graded)
    pieces, rollouts = [(Path(f"part-{n}"), n) for n in range(count)], list[int]()
    grade = regraded_by(cast(StepContext, Elsewhere()), tmp_path)
    found = grade(pieces, KNOWN, DifficultyConfig(), rollouts.append)
    assert list(found) == [{path.name: group} for path, group in pieces]
    assert sum(rollouts) == 10 * count
