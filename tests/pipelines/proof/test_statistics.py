"""Intervals are those of the textbook, and what is paired is paired."""

from typing import Any

import pytest
from scipy import stats

from pipelines.proof.statistics import (
    Difference,
    Estimate,
    accuracy,
    by_arm,
    difference,
    differences,
    estimate,
    verdict,
)


def run(arm: str, seed: int, holdout: str, trained: bool = True) -> dict[str, Any]:
    return {"arm": arm, "seed": seed, "holdout": holdout, "trained": [{"what": "sft"}] if trained else []}


def arms(*runs: dict[str, Any]) -> Any:
    return by_arm({(one["arm"], one["seed"]): one for one in runs})


def test_the_interval_is_students_t() -> None:
    values = [0.5, 0.7, 0.6, 0.9]
    found = estimate(values)
    low, high = stats.t.interval(0.95, 3, loc=0.675, scale=stats.sem(values))
    assert (found.mean - (found.half or 0), found.mean + (found.half or 0)) == pytest.approx((low, high))
    assert estimate([0.5]) == Estimate(0.5, None)


def test_a_difference_is_paired_by_seed_and_by_question() -> None:
    found = arms(
        run("sft_rl", 0, "1110"),
        run("sft_rl", 1, "1010"),
        run("rl", 0, "1010"),
        run("rl", 1, "0010"),
        run("rl", 2, "1111"),
    )
    one = difference(found["sft_rl"], found["rl"], "holdout")
    assert one is not None
    assert one.over_seeds == Estimate(0.25, 0.0)  # a quarter more in both seeds: no variance
    assert one.over_questions.mean == pytest.approx(0.25)
    assert one.over_questions.half == pytest.approx(estimate([0.5, 0.5, 0.0, 0.0]).half)


def test_what_was_not_trained_is_compared_with_every_seed() -> None:
    found = arms(
        run("sft_rl", 0, "11"), run("sft_rl", 1, "10"), run("base", 0, "00", trained=False), run("sft", 0, "10")
    )
    each = {(pair.first, pair.second): one for pair, one in differences(found, "holdout").items()}
    assert list(each) == [("sft_rl", "base"), ("sft", "base"), ("sft_rl", "sft")]
    assert each["sft_rl", "base"].over_seeds.mean == pytest.approx(0.75)
    assert each["sft_rl", "sft"].over_seeds == Estimate(0.5, None)  # of the one seed that both have
    assert differences(found, "fresh") == {}


def test_what_nobody_can_score_is_not_right() -> None:
    found = accuracy(arms(run("sft", 0, "1u0u"))["sft"], "holdout")
    assert found == Estimate(0.25, None)
    assert accuracy(arms(run("sft", 0, "1"))["sft"], "fresh") is None


@pytest.mark.parametrize(
    ("seeds", "questions", "words"),
    [
        (Estimate(0.1, 0.05), Estimate(0.1, 0.05), "better"),
        (Estimate(-0.1, 0.05), Estimate(-0.1, 0.05), "worse"),
        (Estimate(0.1, 0.05), Estimate(0.1, 0.2), "no difference shown"),
        (Estimate(0.1, 0.2), Estimate(0.1, 0.05), "no difference shown"),
        (Estimate(0.9, None), Estimate(0.9, 0.01), "one seed shows nothing"),
    ],
)
def test_only_what_is_outside_of_both_intervals_is_shown(seeds: Estimate, questions: Estimate, words: str) -> None:
    assert verdict(Difference(seeds, questions)) == words
