"""Chance by id: the law by hand, and what follows from it."""

import hashlib
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from schemas import ids as ids_module
from schemas.ids import chance

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), unique=True, max_size=30)


def test_the_law_by_hand() -> None:
    digest = hashlib.blake2b(b"control:7:5f3a", digest_size=8).digest()
    whole = sum(byte << (8 * place) for place, byte in enumerate(digest))
    assert chance("control:7", pl.Series("id", ["5f3a"])).to_list() == [math.ldexp(whole >> 11, -53)]


def test_known_values_stay() -> None:
    """Selections of old releases depend on these numbers."""
    assert chance(0, pl.Series("id", ["a", "b", "ü"])).to_list() == [
        0.8979224548477975,
        0.9133007565249615,
        0.38505679030201645,
    ]


@given(NAMES, st.integers(0, 9))
def test_a_number_depends_on_seed_and_id_only(names: list[str], seed: int) -> None:
    forward = chance(seed, pl.Series("id", names, dtype=pl.String))
    assert_series_equal(forward, chance(seed, pl.Series("id", names[::-1], dtype=pl.String)).reverse())
    for name, value in zip(names, forward, strict=True):
        assert chance(seed, pl.Series("id", [name])).item() == value
        assert 0 <= value < 1


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = pl.Series("id", [str(i) for i in range(10)])
    whole = chance(1, ids)
    monkeypatch.setattr(ids_module, "HASHED_AT_A_TIME", 3)
    assert_series_equal(whole, chance(1, ids))


def test_uniform_and_independent_between_seeds() -> None:
    ids = pl.Series("id", [str(i) for i in range(20_000)])
    one, two = chance("a", ids).to_numpy(), chance("b", ids).to_numpy()
    edges = sum(abs(((one >= at / 10) & (one < (at + 1) / 10)).mean() - 0.1) for at in range(10))
    assert edges < 0.04
    assert abs(((one < 0.5) & (two < 0.5)).mean() - 0.25) < 0.02


def test_empty_and_null() -> None:
    assert chance(0, pl.Series("id", [], dtype=pl.String)).to_list() == []
    with pytest.raises(ValueError, match="1 of 2 ids are null"):
        chance(0, pl.Series("id", ["a", None]))
