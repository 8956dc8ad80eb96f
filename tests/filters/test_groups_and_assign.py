"""Groups and splits: nothing leaks across sides, and nothing old ever moves."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.assign import AssignConfig, Ties, assign_splits, drop_bridges, side, split_by_group
from filters.groups import group_ids
from schemas.sample import SAMPLE

EVEN = AssignConfig(sft=0.4, rl=0.4, holdout=0.2)


def _rows(*given: dict[str, Any]) -> pl.DataFrame:
    rows = []
    for number, entry in enumerate(given):
        media = [{"kind": "image", "sha256": sha} for sha in entry.get("images", [])]
        media += [
            {"kind": "image", "sha256": f"new-{sha}", "derived_from": f'{{"media": "{sha}"}}'}
            for sha in entry.get("crops", [])
        ]
        fields = {k: v for k, v in entry.items() if k in SAMPLE}
        rows.append(dict.fromkeys(SAMPLE) | {"id": f"r{number:03d}", "media": media} | fields)
    return pl.DataFrame(rows, schema=SAMPLE)


def _partition(groups: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset(ids) for ids in groups.group_by("group").agg("id")["id"].to_list()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"images": ["a", "b"]}, {"images": ["b"]}),
        ({"images": ["a"]}, {"crops": ["a"]}),
        ({"crops": ["a"]}, {"crops": ["a"]}),
        ({"group_id": "puzzle-7"}, {"group_id": "puzzle-7"}),
        ({"parent_id": "p"}, {"parent_id": "p"}),
        ({"id": "p"}, {"parent_id": "p"}),
        ({"question": "How many?", "options": ["1", "2"]}, {"question": "how  many", "options": ["2", "1"]}),
    ],
)
def test_what_rows_share_connects_them(one: dict[str, Any], other: dict[str, Any]) -> None:
    groups = group_ids(_rows(one, other, {"images": ["z"]}))
    assert groups["group"][0] == groups["group"][1] != groups["group"][2]


def test_near_pairs_connect_and_chains_are_one_group() -> None:
    rows = _rows({}, {"images": ["a"]}, {"images": ["a"]}, {})
    pairs = pl.DataFrame({"id": ["r000", "r003"], "other": ["r001", "gone"]})
    assert _partition(group_ids(rows, pairs)) == {frozenset({"r000", "r001", "r002"}), frozenset({"r003"})}
    assert _partition(group_ids(rows, [pairs, pairs])) == _partition(group_ids(rows, pairs))


def test_images_that_are_the_same_connect_the_rows_that_show_them() -> None:
    rows = _rows({"images": ["a"]}, {"images": ["b"]}, {"images": ["c"]}, {"images": ["d"]})
    near = pl.DataFrame({"sha256": ["b", "b"], "other": ["a", "d"], "distance": [0, 2]})
    assert _partition(group_ids(rows, (), near)) == {frozenset({"r000", "r001", "r003"}), frozenset({"r002"})}
    released = pl.DataFrame({"id": ["r000", "r003"], "split": ["sft", "rl"]})
    assert drop_bridges(rows, released, (), near).dropped["id"].to_list() == ["r001"]


def test_rows_that_share_nothing_stand_alone_and_order_is_the_input_order() -> None:
    asked = {"question": "How many?"}
    rows = _rows({}, {"media": None}, {"images": []}, asked, asked | {"images": ["a"]}, asked | {"images": ["b"]})
    groups = group_ids(rows)
    assert groups["group"].n_unique() == 6 and groups["id"].to_list() == rows["id"].to_list()
    assert group_ids(rows[:0]).is_empty()


def test_a_new_row_about_a_known_image_leaves_the_name_of_the_group() -> None:
    old = _rows({"id": "x", "images": ["a"]}, {"id": "y", "images": ["a"]})
    grown = pl.concat([_rows({"id": "0", "images": ["a"]}), old])
    assert set(group_ids(old)["group"]) == set(group_ids(grown)["group"])


def test_shares_must_be_whole() -> None:
    with pytest.raises(ValidationError, match="must be 1"):
        AssignConfig(sft=0.5, rl=0.3, holdout=0.1)


def test_shares_are_what_was_asked_and_another_salt_deals_anew() -> None:
    names = [f"group {i}" for i in range(20_000)]
    sides = [side(name, EVEN) for name in names]
    shares = {name: sides.count(name) / len(sides) for name in set(sides)}
    assert shares == pytest.approx({"sft": 0.4, "rl": 0.4, "holdout": 0.2}, abs=0.01)
    other = EVEN.model_copy(update={"salt": "other"})
    assert sum(side(name, other) == s for name, s in zip(names, sides, strict=True)) < 8_000


@st.composite
def _growing(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    size = draw(st.integers(2, 40))
    images = draw(st.lists(st.lists(st.integers(0, 30), max_size=2), min_size=size, max_size=size))
    parents = draw(st.lists(st.none() | st.integers(0, 10), min_size=size, max_size=size))
    names = draw(st.permutations([f"n{i:02d}" for i in range(size)]))
    rows = [
        {"id": name, "images": [f"i{i}" for i in shas], "parent_id": None if p is None else f"p{p}"}
        for name, shas, p in zip(names, images, parents, strict=True)
    ]
    return rows, draw(st.integers(1, size))


@settings(max_examples=100, deadline=None)
@given(data=_growing())
def test_growing_data_moves_no_old_row_and_leaks_nothing(data: tuple[list[dict[str, Any]], int]) -> None:
    rows, cut = data
    old, everything = _rows(*rows[:cut]), _rows(*rows)
    first = assign_splits(group_ids(old), EVEN)
    assert first.dropped.is_empty()
    parted = drop_bridges(everything, first.kept)
    second = assign_splits(group_ids(parted.kept), EVEN, first.kept)
    assert second.dropped.is_empty(), "drop_bridges takes out every row that joins two sides"
    before = dict(first.kept.select("id", "split").rows())
    after = dict(second.kept.select("id", "split").rows())
    assert {row: after[row] for row in before} == before
    assert sorted([*after, *parted.dropped["id"]]) == sorted(row["id"] for row in rows)
    kept = [row for row in rows if row["id"] in after]
    for field in ("images", "parent_id"):
        seen: dict[str, set[str]] = {}
        for row in kept:
            for shared in row[field] if field == "images" else [row[field]] if row[field] else []:
                seen.setdefault(shared, set()).add(after[row["id"]])
        assert all(len(sides) == 1 for sides in seen.values())


def test_only_the_bridging_row_is_dropped() -> None:
    rows = _rows(
        {"id": "old1", "images": ["a"]},
        {"id": "old2", "images": ["b"]},
        {"id": "bridge", "images": ["a", "b"]},
        {"id": "innocent", "images": ["a"]},
    )
    released = pl.DataFrame({"id": ["old1", "old2"], "split": ["sft", "holdout"]})
    result = drop_bridges(rows, released)
    assert result.dropped.to_dicts() == [
        {"id": "bridge", "reason": "split:bridges_groups", "evidence": '{"sides":["holdout","sft"]}'}
    ]
    sides = assign_splits(group_ids(result.kept), EVEN, released).kept
    assert dict(sides.select("id", "split").rows()) == {"old1": "sft", "old2": "holdout", "innocent": "sft"}


def test_without_taking_bridges_out_the_whole_torn_group_is_dropped() -> None:
    groups = pl.DataFrame({"id": ["old1", "old2", "new"], "group": ["g", "g", "g"]})
    released = pl.DataFrame({"id": ["old1", "old2"], "split": ["sft", "rl"]})
    result = assign_splits(groups, EVEN, released)
    assert dict(result.kept.select("id", "split").rows()) == {"old1": "sft", "old2": "rl"}
    assert result.dropped["id"].to_list() == ["new"]
    assert result.dropped["reason"].to_list() == ["split:bridges_groups"]


def _forest(rows: pl.DataFrame, edges: list[tuple[str, str]]) -> Ties:
    """A spanning forest of the edges among the rows that are there, as a search for near pairs gives it."""
    there, tree, parent = set(rows["id"]), [], {row: row for row in rows["id"]}

    def root(row: str) -> str:
        return row if parent[row] == row else root(parent[row])

    for one, other in edges:
        if {one, other} <= there and root(one) != root(other):
            parent[root(one)] = root(other)
            tree.append((one, other))
    return Ties(pl.DataFrame(tree, schema={"id": pl.String, "other": pl.String}, orient="row"))


@settings(max_examples=75, deadline=None)
@given(data=_growing(), pairs=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=30))
def test_near_rows_stay_on_one_side_as_data_grows(
    data: tuple[list[dict[str, Any]], int], pairs: list[tuple[int, int]]
) -> None:
    rows, cut = data
    edges = [(rows[a]["id"], rows[b]["id"]) for a, b in pairs if max(a, b) < len(rows) and a != b]
    old, everything = _rows(*rows[:cut]), _rows(*rows)
    first = split_by_group(old, lambda left: _forest(left, edges), EVEN)
    assert first.dropped.is_empty()
    kept, dropped = split_by_group(everything, lambda left: _forest(left, edges), EVEN, first.kept)
    after = dict(kept.select("id", "split").rows())
    for row, split in first.kept.select("id", "split").rows():
        assert after[row] == split
    assert sorted([*after, *dropped["id"]]) == sorted(row["id"] for row in rows)
    assert not set(dropped["id"]) & set(old["id"])
    assert all(after[one] == after[other] for one, other in edges if one in after and other in after)
