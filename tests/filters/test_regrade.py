"""What counts as agreement between the reward and curation, rule by rule."""

from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.difficulty import DifficultyConfig, measure, outcome, verdict
from filters.regrade import count, decided, disagreements, incoherent, miscounted

COLUMNS = {
    "finish_reason": pl.String,
    "verdict": pl.String,
    "correct": pl.Boolean,
    "score": pl.Float64,
    "tier": pl.String,
}
TRUNCATED = ("wrong", "unscored")


def parts(paid: float | None, threshold: float = 1.0, apart: Any = "wrong", **row: Any) -> bool:
    """Whether the reward parts with a rollout, which counts by default as its verdict says."""
    config = DifficultyConfig(truncated=apart, no_answer=apart)
    told = {"finish_reason": "length" if row["verdict"] == "truncated" else "stop", "tier": "rule"}
    told |= {"correct": row["correct"] if "correct" in row else config.counts(row["verdict"]), **row}
    return disagreements(pl.DataFrame([told], schema=COLUMNS), [paid], [threshold], config).height == 1


@pytest.mark.parametrize(
    ("row", "paid", "apart"),
    [
        ({"verdict": "right", "score": 1.0}, 1.0, False),
        ({"verdict": "right", "score": 1.0}, 0.0, True),
        ({"verdict": "wrong", "score": 0.0}, 1.0, True),
        ({"verdict": "right", "score": 1.0}, None, True),
        ({"verdict": "unscored", "score": None}, 0.0, True),
        ({"verdict": "unscored", "score": None, "tier": "none"}, None, False),
        # The same score, but a verdict that the score does not give: k would not be what the reward comes to.
        ({"verdict": "wrong", "score": 1.0}, 1.0, True),
        # Cut off: the text may be worth a point, and the row says that it counts otherwise.
        ({"verdict": "truncated", "score": 1.0}, 1.0, False),
        ({"verdict": "truncated", "score": 0.0}, 0.0, False),
        ({"verdict": "truncated", "score": 0.0}, 1.0, True),
        ({"verdict": "right", "score": 1.0, "finish_reason": "length"}, 1.0, True),
        ({"verdict": "truncated", "correct": True, "score": 1.0}, 1.0, True),
        # No readable answer: the reward pays nothing.
        ({"verdict": "no_answer", "score": 0.0}, 0.0, False),
        ({"verdict": "no_answer", "score": 0.0}, 1.0, True),
        ({"verdict": "no_answer", "correct": None, "score": 0.0}, 0.0, True),
        # A judge decided: the reward has none, so it gives nothing, never 0.
        ({"verdict": "right", "score": 1.0, "tier": "judge"}, None, False),
        ({"verdict": "wrong", "score": 0.0, "tier": "judge"}, None, False),
        ({"verdict": "wrong", "score": 0.0, "tier": "judge"}, 0.0, True),
        # Curation ran out of time or memory and knows nothing.
        ({"verdict": "unscored", "score": None, "tier": "timeout"}, 1.0, False),
        ({"verdict": "unscored", "score": None, "tier": "crash"}, None, False),
        ({"verdict": "wrong", "score": 0.0, "tier": "timeout"}, 1.0, False),
        # Whoever says so to have something believed: no rule decided these, and yet they have to be possible.
        ({"verdict": "right", "score": 1.0, "tier": "crash"}, None, True),
        ({"verdict": "right", "score": None, "tier": "timeout"}, 0.0, True),
        ({"verdict": "unscored", "correct": True, "score": None, "tier": "timeout"}, None, True),
        ({"verdict": "right", "score": 0.0, "tier": "judge"}, None, True),
        ({"verdict": "right", "score": None, "tier": "judge"}, None, True),
        ({"verdict": "wrong", "correct": True, "score": 0.0, "tier": "judge"}, None, True),
        ({"verdict": "right", "score": 0.5, "tier": "judge"}, None, True),
        # What is null agrees with nothing.
        ({"verdict": None, "correct": True, "score": 1.0}, 1.0, True),
        ({"verdict": "right", "score": 1.0, "tier": None}, 0.0, True),
        ({"verdict": "perfect", "correct": True, "score": 1.0}, 1.0, True),
    ],
)
def test_agreement(row: dict[str, Any], paid: float | None, apart: bool) -> None:
    assert parts(paid, **row) is apart


@pytest.mark.parametrize(
    ("verdict_", "correct", "apart"),
    [("right", True, False), ("truncated", None, False), ("wrong", True, True), ("truncated", True, True),
     ("right", None, True), (None, None, True), ("perfect", True, True)],
)  # fmt: skip
def test_a_rollout_counts_as_its_verdict_says(verdict_: Any, correct: bool | None, apart: bool) -> None:
    row = pl.LazyFrame(
        {"verdict": [verdict_], "correct": [correct]}, schema={"verdict": pl.String, "correct": pl.Boolean}
    )
    assert (incoherent(row, DifficultyConfig(truncated="unscored")).collect().height == 1) is apart


def test_a_score_between_counts_from_its_threshold_on() -> None:
    assert not parts(0.6, 0.5, verdict="right", score=0.6)
    assert parts(0.6, 0.5, verdict="wrong", score=0.6)
    assert not parts(0.4, 0.5, verdict="wrong", score=0.4)


def test_what_a_cut_off_reply_counts_as_is_the_recipes() -> None:
    for verdict_, score in (("truncated", 1.0), ("no_answer", 0.0)):
        assert not parts(score, apart="unscored", verdict=verdict_, score=score)
        assert parts(score, apart="unscored", verdict=verdict_, score=score, correct=False)
        assert not parts(score, apart="wrong", verdict=verdict_, score=score, correct=False)


def scored(draw: list[tuple[int, str, float | None]]) -> pl.DataFrame:
    rows = [
        (f"s{sample}", "m", finish, None if score is None else score >= 0.5, score == 0.0, score, "rule")
        for sample, finish, score in draw
    ]
    names = ("sample_id", "model", "finish_reason", "correct", "no_answer", "score", "tier")
    types = (pl.String, pl.String, pl.String, pl.Boolean, pl.Boolean, pl.Float64, pl.String)
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


ROLLOUTS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["stop", "length"]), st.sampled_from([None, 0.0, 0.4, 0.5, 1.0])),
    min_size=1,
)


@given(ROLLOUTS, st.sampled_from(TRUNCATED))
def test_verdicts_agree_with_themselves_and_come_to_the_measured_counts(
    draw: list[tuple[int, str, float | None]], truncated: Literal["wrong", "unscored"]
) -> None:
    config = DifficultyConfig(truncated=truncated)
    table = scored(draw)
    told = table.with_columns(verdict=verdict(), correct=outcome(config))
    assert not disagreements(told, table["score"].to_list(), [0.5] * table.height, config).height
    measured = measure(table.with_columns(tokens=pl.lit(1)), config).select("id", "model", "k", "n")
    assert count(told.lazy()).collect().sort("id").equals(measured.sort("id"))
    assert not miscounted(measured.lazy(), count(told.lazy())).collect().height


@given(ROLLOUTS, st.data())
def test_one_other_score_is_one_difference(draw: list[tuple[int, str, float | None]], data: st.DataObject) -> None:
    config, table = DifficultyConfig(), scored(draw)
    told = table.with_columns(verdict=verdict(), correct=outcome(config)).with_row_index("row")
    place = data.draw(st.integers(0, table.height - 1))
    paid = table["score"].to_list()
    paid[place] = 0.9 if paid[place] != 0.9 else None
    assert disagreements(told, paid, [0.5] * table.height, config)["row"].to_list() == [place]


def test_a_row_whose_rollouts_are_not_there_is_told() -> None:
    rows = pl.LazyFrame({"id": ["a", "b"], "model": ["m", "m"], "k": [1, None], "n": [2, None]})
    none = count(pl.LazyFrame(schema={"sample_id": pl.String, "model": pl.String, "correct": pl.Boolean}))
    assert miscounted(rows, none).collect()["id"].to_list() == ["a"], "one that was never measured has no rollouts"


def test_a_row_of_which_no_rollout_counts_says_no_k_of_n() -> None:
    schema = {"id": pl.String, "model": pl.String, "k": pl.Int64, "n": pl.Int64}
    stated = [
        ("other side", None, None, None),
        ("none", "m", None, None),
        ("some", "m", None, None),
        ("0 of 1", None, 0, 1),
    ]
    rows = pl.LazyFrame(stated, schema=schema, orient="row")
    logged = {"sample_id": ["none", "some"], "model": ["m", "m"], "correct": [None, True]}
    found = miscounted(rows, count(pl.LazyFrame(logged))).sort("id").collect()["id"].to_list()
    assert found == ["0 of 1", "some"]


@pytest.mark.parametrize(
    ("correct", "score", "tier", "told"),
    [
        (True, 1.0, "rule", (1.0, "rule", "the gold")),
        (False, 0.0, "math", (0.0, "math", "the gold")),
        (None, None, "none", (None, "none", "the gold")),
        (True, None, "none", (1.0, "judge", "votes")),
        (False, None, None, (0.0, "judge", "votes")),
        (True, None, "timeout", (None, "timeout", "the gold")),  # a reward with more time may know
    ],
)
def test_what_no_rule_could_tell_was_decided_by_a_judge(
    correct: bool | None, score: float | None, tier: str | None, told: tuple[Any, ...]
) -> None:
    row = {"correct": correct, "score": score, "tier": tier, "explanation": "the gold"}
    schema = {name: COLUMNS.get(name, pl.String) for name in row}
    found = decided(pl.DataFrame([row], schema=schema), "votes")
    assert found.select("score", "tier", "explanation").row(0) == told


def test_rollouts_of_which_nobody_knows_the_model_are_counted() -> None:
    told = pl.LazyFrame({"sample_id": ["a", "a"], "model": [None, None], "correct": [True, False]})
    rows = pl.LazyFrame({"id": ["a"], "model": [None], "k": [1], "n": [2]}, schema_overrides={"model": pl.String})
    assert not miscounted(rows, count(told.cast({"model": pl.String}))).collect().height
