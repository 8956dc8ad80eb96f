"""RAP by hand, in both variants, and its laws."""

import random
from math import log

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.select.rules.rap import RapConfig, judge
from filters.select.select import Selection, select

CALM, STARING = log(0.05), log(0.2)
SCHEMA = {"id": pl.String, "k": pl.Int32, "n": pl.Int32, "k_text": pl.Int32, "n_text": pl.Int32, "log_psi": pl.Float64}
PAPER, CODE = RapConfig(), RapConfig(variant="code")


def table(*rows: tuple[str, int, int, float], n: int = 5) -> pl.DataFrame:
    """`id, k, k_text, log_psi` of samples with `n` rollouts either way."""
    return pl.DataFrame([(i, k, n, t, n, psi) for i, k, t, psi in rows], schema=SCHEMA, orient="row")


def causes(rows: pl.DataFrame, config: RapConfig, seed: int = 0) -> dict[str, str | None]:
    return dict(judge(rows, config, seed).select("id", "cause").iter_rows())


def test_paper_in_its_order() -> None:
    rows = table(
        ("seen", 4, 1, CALM),  # 0.6 > 0.5
        ("half", 4, 2, CALM),  # 0.4
        ("staring", 4, 0, STARING),
        ("blind", 4, 4, STARING),  # CDE comes first
        ("always", 5, 0, CALM),
        ("hard", 1, 1, CALM),  # fails CDE, admitted for the one that was always right
        ("hard too", 2, 2, CALM),  # less hard
        ("never", 0, 0, CALM),  # never admitted
        ("hard, staring", 1, 1, STARING),
    )
    assert causes(rows, PAPER) == {
        "seen": None,
        "half": "cde",
        "staring": "ace",
        "blind": "cde",
        "always": "too_easy",
        "hard": None,
        "hard too": "cde",
        "never": "cde",
        "hard, staring": "cde",
    }
    admitted = judge(rows, PAPER, 0).filter(pl.col("admitted_by") == "drm")
    assert admitted["id"].to_list() == ["hard"]


def test_what_the_paper_leaves_open() -> None:
    rows = table(("always", 5, 0, CALM), ("kept", 4, 1, CALM), ("hard", 1, 1, CALM), ("staring", 4, 0, STARING))
    survivors = causes(rows, RapConfig(drm_pool="survivors"))
    assert survivors == {"always": "too_easy", "kept": None, "hard": "cde", "staring": "ace"}
    without = causes(rows, RapConfig(drm=False, lambda_a=None))
    assert without == {"always": None, "kept": None, "hard": "cde", "staring": None}
    # of two always right ones, one place stays empty: nobody else passes
    again = table(("a", 5, 0, CALM), ("b", 5, 0, CALM), ("hard", 1, 1, CALM))
    assert causes(again, PAPER) == {"a": "too_easy", "b": "too_easy", "hard": None}


def test_m_is_the_published_five_or_the_samples_own() -> None:
    # wrong once in 8: D = 1/8, which is 1/M for M = 8 and less than 1/5
    rows = pl.concat([table(("always", 8, 0, CALM), n=8), table(("once wrong", 7, 7, CALM), n=8)])
    assert causes(rows, PAPER)["once wrong"] is None
    assert causes(rows, RapConfig(m=5))["once wrong"] == "cde"


def test_counts_of_different_sizes_compare_exactly() -> None:
    # 4/5 - 2/8 = 0.55 > 0.5; 6/8 - 2/8 is 0.5 exactly, so out
    rows = pl.DataFrame(
        [("in", 4, 5, 2, 8, CALM), ("out", 6, 8, 2, 8, CALM), ("nobody", 4, 5, 0, 0, CALM)], schema=SCHEMA, orient="row"
    )
    assert causes(rows, PAPER) == {"in": None, "out": "cde", "nobody": "cde"}


def test_the_float_trap() -> None:
    """In floats 0.8 - 0.6 > 0.2 and not 0.6 - 0.4 > 0.2; both are a gap of 1/5, which is not above 1/5."""
    assert 0.8 - 0.6 > 0.2
    assert not 0.6 - 0.4 > 0.2
    # mean p = 3/5, so both are close to it
    rows = table(("a", 4, 3, CALM), ("b", 3, 2, CALM), ("c", 2, 2, CALM))
    assert causes(rows, CODE) == {"a": "gap", "b": "gap", "c": "gap"}
    lower = RapConfig(variant="code", gap="1/6")
    assert causes(rows, lower) == {"a": None, "b": None, "c": "gap"}


def test_code() -> None:
    # mean p = (5 + 4 + 3 + 4 + 0 + 2) / 30 = 3/5, so (1 - b)^2 = 4/25; s of p: 1: 0; 4/5: 3/4; 3/5: 1; 2/5: 3/4; 0: -5/4
    rows = table(
        ("always", 5, 0, CALM),  # s = 0: far from the mean, as is every always right one here
        ("in", 4, 1, CALM),
        ("in too", 3, 1, CALM),
        ("narrow", 4, 3, CALM),
        ("never", 0, 0, CALM),
        ("blind", 2, 2, CALM),
    )
    found = {"always": "closeness", "in": None, "in too": None, "narrow": "gap", "never": "closeness", "blind": "gap"}
    assert causes(rows, CODE) == found
    # with everything close enough, the always right one falls to its own clause
    assert causes(rows, RapConfig(variant="code", closeness=0))["always"] == "too_easy"


def test_code_takes_a_tenth_of_the_right_once() -> None:
    # 20 right once of 5 and never without the image, 2 right twice: mean p = 24/110, s of 1/5 is nearly 1, gap = 0.2
    rows = table(*[(f"{i:02d}", 1, 0, CALM) for i in range(20)], ("x", 2, 2, CALM), ("y", 2, 2, CALM))
    judged = judge(rows, CODE, seed=0)
    assert judged.filter(pl.col("admitted_by") == "hard_draw").height == 2
    assert judged["cause"].value_counts().sort("cause", nulls_last=True).rows() == [
        ("gap", 2),
        ("not_drawn", 18),
        (None, 2),
    ]
    # the draw has a seed of its own, 42
    assert judge(rows, CODE, seed=1).equals(judged)
    other = judge(rows, RapConfig(variant="code", hard_seed=43), seed=0)
    assert not other.equals(judged)


def test_code_counts_well_formed_replies_for_p_only() -> None:
    formed = RapConfig(variant="code", formed=True)
    rows = table(("sloppy", 4, 0, CALM), ("neat", 4, 0, CALM), ("other", 2, 2, CALM)).with_columns(
        k_formed=pl.Series([2, 4, 2], dtype=pl.Int32), k_text_formed=pl.Series([0, 0, 2], dtype=pl.Int32)
    )
    # p = 2/5, 4/5, 2/5: b = 8/15, (1 - b)^2 = 49/225; s of 4/5 is 1 - 16/49
    assert causes(rows, formed) == {"sloppy": None, "neat": None, "other": "gap"}
    none = rows.with_columns(k_formed=pl.lit(0, pl.Int32))
    assert set(causes(none, formed).values()) == {"gap"}


def test_selected_with_its_evidence() -> None:
    rows = table(("seen", 4, 1, CALM), ("always", 5, 0, CALM), ("hard", 1, 1, CALM), ("unread", 4, 1, CALM))
    rows = rows.with_columns(log_psi=pl.when(pl.col("id") != "unread").then("log_psi"))
    parted = select(rows, Selection(rule=PAPER), seed=0)
    kept = dict(parted.kept.select("id", "evidence").iter_rows())
    assert sorted(kept) == ["hard", "seen"]
    assert '"admitted_by":"drm"' in kept["hard"]
    assert '"admitted_by":null' in kept["seen"]
    assert dict(parted.dropped.select("id", "reason").iter_rows()) == {
        "always": "select:too_easy",
        "unread": "select:unmeasured",
    }


SAMPLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([CALM, STARING])), max_size=40)


@given(SAMPLES, st.sampled_from(["paper", "code"]), st.integers(0, 3))
def test_laws(counts: list[tuple[int, int, float]], variant: str, seed: int) -> None:
    rows = table(*[(f"{i:02d}", *row) for i, row in enumerate(counts)])
    config = RapConfig.model_validate({"variant": variant})
    judged = judge(rows, config, seed)
    assert sorted(judged["id"]) == sorted(rows["id"])
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=random.Random(seed).randint(0, 99))
    assert judge(shuffled, config, seed).sort("id").equals(judged.sort("id"))
    parted = select(rows, Selection(rule=config), seed)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == rows["id"].to_list()


@given(SAMPLES, st.integers(0, 3))
def test_replacement_keeps_the_size_while_there_are_hard_ones(counts: list[tuple[int, int, float]], seed: int) -> None:
    rows = table(*[(f"{i:02d}", *row) for i, row in enumerate(counts)])
    before = judge(rows, RapConfig(drm=False), seed).filter(pl.col("cause").is_null())
    after = judge(rows, PAPER, seed).filter(pl.col("cause").is_null())
    easy = before.filter(pl.col("k") == 5).height
    hard = rows.filter(pl.col("k").is_between(1, 4) & (pl.col("log_psi") == CALM))
    spare = hard.join(before, on="id", how="anti").height
    assert after.height == before.height - easy + min(easy, spare)
    assert not (after["k"] == 5).any()
    assert not (after["k"] == 0).any()


def test_thresholds_are_read_as_written() -> None:
    with pytest.raises(ValueError, match="share"):
        RapConfig(lambda_c="1.5")
