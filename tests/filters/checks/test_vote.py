"""Votes and suspect labels, worked by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.checks.rules import CheckRules
from filters.checks.significance import beats, benjamini_hochberg
from filters.checks.vote import suspects, votes


def rollouts(said: Mapping[str, Sequence[tuple[str | None, bool | None]]]) -> pl.DataFrame:
    rows = [(id_, right, word, word) for id_, found in said.items() for word, right in found]
    schema = {"sample_id": pl.String, "correct": pl.Boolean, "extracted": pl.String, "parsed_response": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_vote_counts_answers_not_replies() -> None:
    found = votes(rollouts({"a": [("red", False)] * 4 + [("blue", True)] * 2 + [("Red ", False), (None, False)]}))
    assert found.rows(named=True) == [
        {"id": "a", "answers": 7, "majority": "red", "majority_share": 5 / 7, "margin": 3 / 7, "gold_share": 2 / 7,
         "majority_is_gold": False}
    ]  # fmt: skip


def test_all_spellings_of_the_gold_are_one_answer_and_win_ties() -> None:
    found = votes(rollouts({"a": [("1/2", True), ("0.5", True), ("2", False), ("2", False)]}))
    assert found.select("majority", "majority_share", "margin", "majority_is_gold").row(0) == ("0.5", 0.5, 0.0, True)


def test_unscored_is_not_wrong() -> None:
    """No rule could tell whether "crimson" is the gold, so all that agree on it accuse nothing, and count for no trust."""
    said = {f"{i:02d}": [("red", True)] * 8 for i in range(18)}
    open_ = {"open": [("crimson", None)] * 8, "partly": [("crimson", None)] * 7 + [("crimson", False)]}
    found = votes(rollouts(said | open_))
    assert dict(found.select("id", "majority_is_gold").iter_rows()) == {
        **dict.fromkeys(said, True), "open": None, "partly": False
    }  # fmt: skip
    rows = suspects(found.with_columns(family=pl.lit("f"), wide=pl.lit("w")), CheckRules())
    assert rows.filter("label_suspect")["id"].to_list() == ["partly"]
    assert rows["trust"].unique().to_list() == pytest.approx([18 / 19])


def voted(family: str, gold: int, against: int, share: float = 1.0) -> pl.DataFrame:
    m = gold + against
    return pl.DataFrame(
        {
            "id": [f"{family}{i:03d}" for i in range(m)],
            "answers": pl.Series([8] * m, dtype=pl.Int32),
            "majority": ["x"] * m,
            "majority_share": [share] * m,
            "margin": [2 * share - 1] * m,
            "gold_share": [share if i < gold else 1 - share for i in range(m)],
            "majority_is_gold": [i < gold for i in range(m)],
            "family": [family] * m,
            "wide": ["w"] * m,
        }
    )


def test_a_student_that_is_usually_right_accuses_the_label() -> None:
    found = suspects(voted("good", 18, 2), CheckRules())
    assert found["trust"].unique().to_list() == pytest.approx([0.9])
    assert found.filter("label_suspect")["id"].to_list() == ["good018", "good019"]


def test_a_student_that_is_often_wrong_accuses_itself() -> None:
    assert suspects(voted("bad", 12, 8), CheckRules())["label_suspect"].sum() == 0


def test_nothing_is_known_where_no_majority_is_clear() -> None:
    found = suspects(voted("split", 3, 3, share=0.5), CheckRules())
    assert found["trust"].to_list() == [None] * 6
    assert found["label_suspect"].to_list() == [False] * 6


def test_small_families_borrow_the_trust_of_their_source() -> None:
    rows = pl.concat([voted("big", 90, 0), voted("tiny", 0, 2)])
    found = suspects(rows, CheckRules()).filter(pl.col("family") == "tiny")
    assert found["trust"].unique().to_list() == pytest.approx([(0 + 10 * 90 / 92) / (2 + 10)])
    assert found["label_suspect"].all()


def test_an_unsure_majority_accuses_nobody() -> None:
    rows = pl.concat([voted("f", 18, 0), voted("f", 0, 2, share=0.75).with_columns(pl.col("id") + "x")])
    # 6 of 8 against 2: P(at least 6 of 8 heads) = 37/256 = 0.145
    found = suspects(rows, CheckRules())
    assert found["p_vote"].max() == pytest.approx(37 / 256)
    assert found["label_suspect"].sum() == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z", None]), st.booleans()), max_size=30))
def test_votes_do_not_depend_on_order(rows: list[tuple[str, str | None, bool]]) -> None:
    told: dict[str, list[tuple[str | None, bool]]] = {}
    for id_, word, right in rows:
        told.setdefault(id_, []).append((word, right and word is not None))
    back = {id_: found[::-1] for id_, found in reversed(told.items())}
    first, second = votes(rollouts(told)), votes(rollouts(back))
    assert first.equals(second)
    assert (first["majority_share"] >= first["gold_share"]).all()
    assert (first["majority_share"] - first["margin"] >= 0).all()


def apart(*groups: pl.DataFrame) -> pl.DataFrame:
    """Votes about questions that share no wording, 16 answers each."""
    rows = pl.concat(groups).with_columns(family=pl.lit("w"), answers=pl.lit(16, pl.Int32))
    return rows.with_columns(id=pl.int_range(pl.len()).cast(pl.String).str.zfill(4))


def test_where_no_wording_is_shared_a_sure_student_accuses_and_a_less_sure_one_does_not() -> None:
    """Unanimous majorities are the gold in 90 of 100, those of 14 of 16 in 10 of 100: as a whole, half."""
    rows = apart(voted("sure", 90, 10), voted("less", 10, 90, share=0.875))
    found = suspects(rows, CheckRules())
    accused = found.filter("label_suspect")
    assert accused["id"].to_list() == [f"{i:04d}" for i in range(90, 100)]
    assert accused["trust"].unique().to_list() == pytest.approx([(90 + 10 * 0.5) / 110])
    assert found.filter(~pl.col("label_suspect"))["trust"].max() == pytest.approx(0.5)


def test_a_student_that_is_surely_wrong_accuses_nobody() -> None:
    assert suspects(apart(voted("f", 50, 50)), CheckRules())["label_suspect"].sum() == 0


def test_a_few_clear_majorities_of_many_may_be_chance() -> None:
    """Four majorities of 15 of 16 against their gold (p = 0.00026), alone and beside 2,000 questions that are even."""
    sure, weak = voted("sure", 20, 0), voted("weak", 0, 30, share=0.75)
    few, even = voted("few", 0, 4, share=0.9375), voted("even", 0, 2000, share=0.5)
    assert suspects(apart(sure, few, weak), CheckRules())["label_suspect"].sum() == 4
    assert suspects(apart(sure, few, weak, even), CheckRules())["label_suspect"].sum() == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_false_accusations_where_gold_and_rival_are_even_are_bounded(seed: int, planted: int) -> None:
    """Of rows whose answers are even between gold and rival, at most `alpha` of the accused are, on average."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(40):
        rival = np.concatenate([rng.binomial(16, 0.5, 200), np.full(planted, 16)])
        own = benjamini_hochberg(beats(rival, 16 - rival)) <= 0.05
        shares.append(own[:200].sum() / max(1, own.sum()))
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / 40**0.5
