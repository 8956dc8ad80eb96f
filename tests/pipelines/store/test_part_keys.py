"""What is wanted of a part is found by its keys alone: all of it, and nothing else."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.store.part_keys import WIDTH, Keys, Wanted, pack

HALVES = st.sampled_from([f"{n:016x}" for n in (0, 1, 2, 2**63, 2**64 - 2, 2**64 - 1)])
IDS = st.builds(str.__add__, HALVES, HALVES)


@given(st.lists(IDS, max_size=30), st.lists(st.one_of(IDS, st.text(max_size=3)), max_size=30))
def test_rows_with_a_wanted_key_are_found(held: list[str], wanted: list[str]) -> None:
    """Keys that begin alike, twice the same and none at all included; in no order."""
    data = pack(pl.Series(held, dtype=pl.String))
    assert len(data) == WIDTH * len(held)
    rows, keys = Wanted(pl.Series(wanted, dtype=pl.String)).found(Keys.read(data))
    expected = [(row, key) for row, key in enumerate(held) if key in wanted]
    assert list(zip(rows.tolist(), keys.to_list(), strict=True)) == expected


@given(st.lists(IDS, max_size=3), st.sampled_from(["", "a", "A" * 32, "0" * 31, "0" * 33, "g" * 32, None]))
def test_keys_that_are_no_ids_are_not_packed(ids: list[str], other: str | None) -> None:
    assert pack(pl.Series([*ids, other], dtype=pl.String)) == b""
