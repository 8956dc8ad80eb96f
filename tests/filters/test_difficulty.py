"""Difficulty: counts and their intervals."""

from itertools import product

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.difficulty import (
    VERDICTS,
    DifficultyConfig,
    drop_unmeasured,
    enough,
    is_unread,
    measure,
    outcome,
    verdict,
    verdict_of,
)

SCHEMA = {
    "sample_id": pl.String,
    "model": pl.String,
    "finish_reason": pl.String,
    "correct": pl.Boolean,
    "no_answer": pl.Boolean,
    "score": pl.Float64,
    "tokens": pl.Int32,
}


def rollouts(
    *correct: bool | None, finish: str = "stop", model: str = "m", tokens: int = 5, unread: bool = False
) -> pl.DataFrame:
    scores = [None if c is None else float(c) for c in correct]
    cells = [("s", model, finish, c, unread, s, tokens) for c, s in zip(correct, scores, strict=True)]
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


@pytest.mark.parametrize(("no_answer", "k", "n", "mean"), [("wrong", 1, 3, 1 / 3), ("unscored", 1, 2, 1 / 2)])
def test_a_reply_without_an_answer_is_counted_apart(no_answer: str, k: int, n: int, mean: float) -> None:
    table = pl.concat([rollouts(True, False), rollouts(False, unread=True)])
    row = measure(table, DifficultyConfig.model_validate({"no_answer": no_answer})).row(0, named=True)
    assert (row["k"], row["n"], row["no_answer"], row["unscored"]) == (k, n, 1, 0)
    assert row["mean_score"] == pytest.approx(mean)


def test_missing_evidence_is_no_evidence_by_default() -> None:
    """Twenty cut-off and unreadable replies around one right and one wrong answer do not make the question hard."""
    noise = [rollouts(*[False] * 10, unread=True), rollouts(*[True] * 5, *[False] * 5, finish="length")]
    row = measure(pl.concat([rollouts(True, False), *noise]), DifficultyConfig()).row(0, named=True)
    assert (row["k"], row["n"], row["asked"]) == (1, 2, 22)
    assert (row["no_answer"], row["truncated"], row["unscored"]) == (10, 10, 0)


def test_a_verdict_has_one_name_however_it_is_asked_for() -> None:
    cases = list(product(("stop", "length", None), (True, False, None), (True, False)))
    schema = {"finish_reason": pl.String, "correct": pl.Boolean, "no_answer": pl.Boolean}
    table = pl.DataFrame(cases, schema=schema, orient="row")
    names = table.select(verdict()).to_series().to_list()
    assert names == [verdict_of(*case) for case in cases]
    assert set(names) == set(VERDICTS)
    for settings in product(("wrong", "unscored"), repeat=2):
        config = DifficultyConfig.model_validate(dict(zip(("truncated", "no_answer"), settings, strict=True)))
        assert table.select(outcome(config)).to_series().to_list() == [config.counts(name) for name in names]


def test_what_cannot_be_read_is_no_answer_and_what_can_is_wrong() -> None:
    table = pl.DataFrame({"correct": [False, False, True, None], "parsed_response": [None, "7", None, None]})
    assert table.select(is_unread()).to_series().to_list() == [True, False, False, False]


def test_a_sample_without_a_scored_rollout_is_dropped() -> None:
    config = DifficultyConfig()
    measured = measure(rollouts(None, None), config)
    parted = drop_unmeasured(pl.DataFrame({"id": ["s", "never-asked"]}), measured, config)
    assert parted.kept.is_empty()
    assert parted.dropped["reason"].to_list() == ["difficulty:unmeasured"] * 2
    cut = measure(rollouts(None, None, finish="length"), config)
    parted = drop_unmeasured(pl.DataFrame({"id": ["s"]}), cut, config)
    assert parted.dropped["evidence"].to_list() == ['{"asked":2,"n":0,"no_answer":0,"truncated":2,"unscored":0}']


@pytest.mark.parametrize(
    ("min_n", "scored", "lost", "kept"),
    [
        (None, 4, 4, True),  # half of eight
        (None, 3, 5, False),
        (None, 1, 0, True),  # one was asked for, and one counts
        (None, 1, 2, False),
        (2, 1, 0, False),
        (2, 2, 6, True),
    ],
)
def test_too_few_rollouts_say_nothing(min_n: int | None, scored: int, lost: int, kept: bool) -> None:
    config = DifficultyConfig(min_n=min_n)
    table = pl.concat([rollouts(*[True] * scored), rollouts(*[False] * lost, unread=True)])
    measured = measure(table, config)
    parted = drop_unmeasured(pl.DataFrame({"id": ["s"]}), measured, config)
    assert parted.kept.height == kept
    assert parted.dropped["reason"].to_list() == ([] if kept else ["difficulty:too_few"])
    assert measured.select(enough(config)).item() is kept


def test_an_empty_table() -> None:
    assert measure(rollouts(), DifficultyConfig()).is_empty()


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=32))
def test_the_rate_lies_in_its_interval(correct: list[bool | None]) -> None:
    (row,) = measure(rollouts(*correct), DifficultyConfig()).to_dicts()
    assert row["n"] + row["unscored"] == len(correct)
    if row["n"]:
        assert 0 <= row["low"] <= row["pass_rate"] + 1e-12
        assert row["pass_rate"] - 1e-12 <= row["high"] <= 1
