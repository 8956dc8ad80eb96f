"""Difficulty: counts and their intervals."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.difficulty import DifficultyConfig, drop_unmeasured, measure

SCHEMA = {
    "sample_id": pl.String,
    "model": pl.String,
    "finish_reason": pl.String,
    "correct": pl.Boolean,
    "score": pl.Float64,
    "tokens": pl.Int32,
}


def rollouts(*correct: bool | None, finish: str = "stop", model: str = "m", tokens: int = 5) -> pl.DataFrame:
    scores = [None if c is None else float(c) for c in correct]
    cells = [("s", model, finish, c, s, tokens) for c, s in zip(correct, scores, strict=True)]
    return pl.DataFrame(cells, schema=SCHEMA, orient="row")


def test_counts() -> None:
    (row,) = measure(rollouts(True, True, False, None), DifficultyConfig()).to_dicts()
    assert (row["k"], row["n"], row["truncated"], row["unscored"]) == (2, 3, 0, 1)
    assert row["variance"] == pytest.approx(2 / 9)


def test_by_hand() -> None:
    """3 right of 4: p(1-p) = 3/16, unbiased 3·1/(4·3) = 1/4; one of 4 drawn 4 at a time is right for certain."""
    table = pl.concat([rollouts(True, True, True, tokens=6), rollouts(False, tokens=10)])
    row = measure(table, DifficultyConfig(pass_at=(1, 2, 4, 8))).row(0, named=True)
    assert (row["variance"], row["variance_unbiased"]) == (pytest.approx(3 / 16), pytest.approx(1 / 4))
    assert [row[f"pass_at_{t}"] for t in (1, 2, 4, 8)] == [pytest.approx(0.75), 1.0, 1.0, None]
    assert (row["tokens"], row["tokens_correct"], row["asked"]) == (7.0, 6.0, 4)
    assert row["beta_mean"] == pytest.approx(3.5 / 5)


def test_the_spread_of_continuous_scores() -> None:
    """Scores 0.2, 0.4, 0.9: mean 0.5, squared distances 0.09 + 0.01 + 0.16 = 0.26."""
    table = rollouts(False, False, True).with_columns(score=pl.Series([0.2, 0.4, 0.9]))
    row = measure(table, DifficultyConfig()).row(0, named=True)
    assert row["mean_score"] == pytest.approx(0.5)
    assert row["score_std"] == pytest.approx((0.26 / 3) ** 0.5)
    assert row["score_variance_unbiased"] == pytest.approx(0.13)


def test_students_stand_side_by_side() -> None:
    table = pl.concat([rollouts(True, False, model="b"), rollouts(False, model="a")])
    assert measure(table, DifficultyConfig()).select("id", "model", "k", "n").rows() == [
        ("s", "a", 0, 1),
        ("s", "b", 1, 2),
    ]


@pytest.mark.parametrize(("truncated", "k", "n"), [("wrong", 1, 2), ("unscored", 1, 1)])
def test_the_recipe_says_what_truncation_means(truncated: str, k: int, n: int) -> None:
    table = pl.concat([rollouts(True), rollouts(True, finish="length")])
    row = measure(table, DifficultyConfig.model_validate({"truncated": truncated})).row(0, named=True)
    assert (row["k"], row["n"], row["truncated"]) == (k, n, 1)
    assert row["mean_score"] == k / n, "a cut-off reply has no score of its own"


def test_a_sample_without_a_scored_rollout_is_dropped() -> None:
    measured = measure(rollouts(None, None), DifficultyConfig())
    parted = drop_unmeasured(pl.DataFrame({"id": ["s", "never-asked"]}), measured)
    assert parted.kept.is_empty()
    assert parted.dropped["reason"].to_list() == ["difficulty:unmeasured"] * 2
    cut = measure(rollouts(None, None, finish="length"), DifficultyConfig(truncated="unscored"))
    parted = drop_unmeasured(pl.DataFrame({"id": ["s"]}), cut)
    assert parted.dropped["evidence"].to_list() == ['{"asked":2,"truncated":2,"unscored":0}']


def test_an_empty_table() -> None:
    assert measure(rollouts(), DifficultyConfig()).is_empty()


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=32))
def test_the_rate_lies_in_its_interval(correct: list[bool | None]) -> None:
    (row,) = measure(rollouts(*correct), DifficultyConfig()).to_dicts()
    assert row["n"] + row["unscored"] == len(correct)
    if row["n"]:
        assert 0 <= row["low"] <= row["pass_rate"] + 1e-12
        assert row["pass_rate"] - 1e-12 <= row["high"] <= 1
