"""Levels one after the other: what a row was dropped for stays to the end."""

import json
from collections.abc import Callable

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.earlier_release import with_former
from filters.dedup.levels import Level, drop_by_levels
from filters.dedup.rule import dropped_pairs
from schemas.split import Split

Tie = Callable[[str, str], bool]


def _level(name: str, tied: Tie) -> Level:
    """Greedy keep-best over a relation between ids; the smaller id is better."""

    def level(rows: pl.DataFrame, fixed: pl.DataFrame | None) -> Split:
        order = with_former(rows, fixed).sort(~pl.col("__fixed"), "id")
        kept: list[str] = []
        gone = []
        for row, stays in order.select("id", "__fixed").rows():
            partner = None if stays else next((other for other in kept if tied(row, other)), None)
            if partner is None:
                kept.append(row)
            else:
                gone.append({"id": row, "kept": partner})
        pairs = pl.DataFrame(gone, schema={"id": pl.String, "kept": pl.String})
        return dropped_pairs(rows, pairs, f"dedup:{name}")

    return level


def _ties(*pairs: str) -> Tie:
    known = {frozenset(pair) for pair in pairs}
    return lambda one, other: frozenset((one, other)) in known


def _told(found: Split) -> dict[str, tuple[str, str]]:
    return {r["id"]: (r["reason"], json.loads(r["evidence"])["kept"]) for r in found.dropped.to_dicts()}


def _rows(ids: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids)}, schema={"id": pl.String})


def test_a_chain_over_two_levels_keeps_its_ends() -> None:
    levels = [_level("first", _ties("cb")), _level("second", _ties("ba"))]
    found = drop_by_levels(_rows("abc"), levels)
    assert found.kept["id"].to_list() == ["a", "c"]
    assert _told(found) == {"b": ("dedup:second", "a")}


def test_a_row_is_covered_by_what_covers_its_partner() -> None:
    levels = [_level("first", _ties("cb")), _level("second", _ties("ba", "ca"))]
    assert _told(drop_by_levels(_rows("abc"), levels)) == {"b": ("dedup:second", "a"), "c": ("dedup:second", "a")}


def test_a_row_that_is_judged_again_is_compared_with_all_that_stays() -> None:
    levels = [_level("first", _ties("db")), _level("second", _ties("ba")), _level("third", _ties("dc"))]
    assert _told(drop_by_levels(_rows("abcd"), levels)) == {"b": ("dedup:second", "a"), "d": ("dedup:third", "c")}


def test_fixed_rows_stay_and_empty_tables_pass() -> None:
    levels = [_level("first", _ties("ab")), _level("second", _ties("bc"))]
    found = drop_by_levels(_rows("abc"), levels, _rows("bc"))
    assert found.kept["id"].to_list() == ["b", "c"] and _told(found) == {"a": ("dedup:first", "b")}
    assert drop_by_levels(_rows(""), levels).kept.is_empty()
    assert drop_by_levels(_rows("ab"), []).kept["id"].to_list() == ["a", "b"]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), count=st.integers(0, 9))
def test_laws(data: st.DataObject, count: int) -> None:
    ids = "abcdefghi"[:count]
    pairs = st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), max_size=14) if ids else st.just([])
    ties: list[Tie] = [_ties(*("".join(p) for p in data.draw(pairs))) for _ in range(3)]
    levels = [_level(str(number), tie) for number, tie in enumerate(ties)]
    rows = _rows(ids)
    fixed = rows.filter(pl.Series(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=pl.Boolean))
    found = drop_by_levels(rows, levels, fixed)
    assert sorted([*found.kept["id"], *found.dropped["id"]]) == list(ids)
    staying, free = set(found.kept["id"]), set(ids) - set(fixed["id"])
    assert set(fixed["id"]) <= staying
    for row, (reason, partner) in _told(found).items():
        assert partner in staying and ties[int(reason[-1])](row, partner)
    assert not [(a, b) for a in staying & free for b in staying - {a} for tie in ties if tie(a, b)]
    assert drop_by_levels(found.kept, levels, fixed).dropped.is_empty()
    shuffled = drop_by_levels(rows[data.draw(st.permutations(range(count)))], levels, fixed)
    assert _told(shuffled) == _told(found)
