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
    sought = Wanted(pl.Series(wanted, dtype=pl.String))
    expected = [(row, key) for row, key in enumerate(held) if key in wanted]
    for found in (sought.found(Keys.read(data)), sought.found_among(pl.Series(held, dtype=pl.String))):
        assert list(zip(found.rows.tolist(), sought.keys.gather(found.keys), strict=True)) == expected


@given(st.lists(IDS, max_size=3), st.sampled_from(["", "a", "A" * 32, "0" * 31, "0" * 33, "g" * 32, None]))
def test_keys_that_are_no_ids_are_not_packed(ids: list[str], other: str | None) -> None:
    assert pack(pl.Series([*ids, other], dtype=pl.String)) == b""


@given(st.lists(IDS, min_size=1, max_size=9, unique=True), st.lists(IDS, max_size=9))
def test_of_a_sha256_the_first_half_is_kept(held: list[str], wanted: list[str]) -> None:
    """Digests of images: 64 digits, found by 16 bytes. Ids of both kinds are packed apart only."""
    tail = "5" * 32
    data = pack(pl.Series([one + tail for one in held]))
    assert len(data) == WIDTH * len(held)
    sought = Wanted(pl.Series([one + tail for one in wanted], dtype=pl.String))
    rows, keys = sought.found(Keys.read(data))
    assert [held[row] for row in rows] == [one for one in held if one in wanted]
    assert sought.keys.gather(keys).to_list() == [held[row] + tail for row in rows]
    assert pack(pl.Series([held[0], held[0] + tail])) == b""
