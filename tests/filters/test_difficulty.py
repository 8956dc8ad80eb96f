"""Difficulty: counts and their intervals."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.difficulty import DifficultyConfig, drop_unmeasured, measure

SCHEMA = {"sample_id": pl.String, "finish_reason": pl.String, "correct": pl.Boolean, "score": pl.Float64}


def rollouts(*correct: bool | None, finish: str = "stop") -> pl.DataFrame:
    scores = [None if c is None else float(c) for c in correct]
    cells = [("s", finish, c, s) for c, s in zip(correct, scores, strict=True)]
    return pl.DataFrame(cells, schema=SCHEMA, orient="row")


def test_counts() -> None:
    (row,) = measure(rollouts(True, True, False, None), DifficultyConfig()).to_dicts()
    assert (row["k"], row["n"], row["truncated"], row["unscored"]) == (2, 3, 0, 1)
    assert row["variance"] == pytest.approx(2 / 9)


def test_wilson_interval_as_published() -> None:
    """Brown, Cai & DasGupta 2001: x = 0 of n gives [0, z²/(n+z²)]; 5 of 10 gives 0.2366 to 0.7634."""
    none = measure(rollouts(*[False] * 10), DifficultyConfig()).row(0, named=True)
    half = measure(rollouts(*[True, False] * 5), DifficultyConfig()).row(0, named=True)
    assert (none["low"], none["high"]) == (pytest.approx(0, abs=1e-12), pytest.approx(1.96**2 / (10 + 1.96**2)))
    assert (half["low"], half["high"]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


@pytest.mark.parametrize(("truncated", "k", "n"), [("wrong", 1, 2), ("unscored", 1, 1)])
def test_the_recipe_says_what_truncation_means(truncated: str, k: int, n: int) -> None:
    table = pl.concat([rollouts(True), rollouts(True, finish="length")])
    row = measure(table, DifficultyConfig.model_validate({"truncated": truncated})).row(0, named=True)
    assert (row["k"], row["n"], row["truncated"]) == (k, n, 1)


def test_a_sample_without_a_scored_rollout_is_dropped() -> None:
    measured = measure(rollouts(None, None), DifficultyConfig())
    parted = drop_unmeasured(pl.DataFrame({"id": ["s", "never-asked"]}), measured)
    assert parted.kept.is_empty()
    assert parted.dropped["reason"].to_list() == ["difficulty:unmeasured"] * 2


def test_an_empty_table() -> None:
    assert measure(rollouts(), DifficultyConfig()).is_empty()


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=32))
def test_the_rate_lies_in_its_interval(correct: list[bool | None]) -> None:
    (row,) = measure(rollouts(*correct), DifficultyConfig()).to_dicts()
    assert row["n"] + row["unscored"] == len(correct)
    if row["n"]:
        assert 0 <= row["low"] <= row["pass_rate"] + 1e-12
        assert row["pass_rate"] - 1e-12 <= row["high"] <= 1
