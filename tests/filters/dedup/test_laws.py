"""Laws that every exact level keeps: nothing vanishes, partners stay, twice is once, order is nothing, old rows stay."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.exact import ExactConfig, drop_exact
from filters.dedup.image_hash import HASHES, ImageHashConfig, drop_image_hash
from filters.dedup.minhash import MinHashConfig, drop_similar_text
from schemas.split import Split

MakeRows = Callable[..., pl.DataFrame]
Level = Callable[[pl.DataFrame, pl.DataFrame | None], Split]
Near = Callable[[dict[str, Any], dict[str, Any]], bool]

BITS = [0, 0b111, 0b111111, 0b111111111, 2**40 - 1, 2**40 + 2**63]
"""A chain of hashes whose neighbours are three bits apart, and two far from it."""

IMAGES = {f"p{i}": bits for i, bits in enumerate(BITS)}
TABLE = pl.DataFrame(
    {"sha256": list(IMAGES), "phash": BITS, "thumb": [bytes([i * 9 % 256] * 192) for i in range(len(BITS))]},
    schema=HASHES,
)
SPELLINGS = ["What is it?", "what  is it", "What Is It ?", "What was it?", "Who is it?"]


def _exact(rows: pl.DataFrame, former: pl.DataFrame | None) -> Split:
    return drop_exact(rows, ExactConfig(), former)


def _image_hash(rows: pl.DataFrame, former: pl.DataFrame | None) -> Split:
    return drop_image_hash(rows, TABLE, ImageHashConfig(), former)


def _minhash(rows: pl.DataFrame, former: pl.DataFrame | None) -> Split:
    return drop_similar_text(rows, MinHashConfig(threshold=0.6, shingle=2, recall=0.9999), former)


def _spelt(row: dict[str, Any]) -> tuple[str, str]:
    return " ".join(row["question"].lower().rstrip(" ?").split()), row["answer"].lower()


def _same_spelling(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _spelt(one) == _spelt(other) and one["images"] == other["images"]


def _same_image(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if _spelt(one) != _spelt(other) or len(one["images"]) != len(other["images"]) or not one["images"]:
        return False
    both = list(zip(one["images"], other["images"], strict=True))
    distances = [(IMAGES[a] ^ IMAGES[b]).bit_count() for a, b in both]
    levels = [abs(int(a[1:]) - int(b[1:])) * 9 for a, b in both]
    return max(distances) <= 6 and max(levels) <= 20


def _same_words(one: dict[str, Any], other: dict[str, Any]) -> bool:
    shingles = []
    for row in (one, other):
        text = _spelt(row)[0] + "\n"
        shingles.append({text[i : i + 2] for i in range(len(text) - 1)})
    share = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    return _spelt(one)[1] == _spelt(other)[1] and one["images"] == other["images"] and share >= 0.6


LEVELS = [(_exact, _same_spelling), (_image_hash, _same_image), (_minhash, _same_words)]
NAMES = ["exact", "image_hash", "minhash"]


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    row = st.fixed_dictionaries(
        {
            "question": st.sampled_from(SPELLINGS),
            "answer": st.sampled_from(["yes", "Yes", "no"]),
            "images": st.lists(st.sampled_from(list(IMAGES)), max_size=2),
            "n_correct": st.integers(0, 2),
        }
    )
    return draw(st.lists(row, min_size=1, max_size=16))


def _partners(dropped: pl.DataFrame) -> dict[str, str]:
    return {row["id"]: json.loads(row["evidence"])["kept"] for row in dropped.to_dicts()}


@pytest.mark.parametrize(("level", "near"), LEVELS, ids=NAMES)
@settings(max_examples=30, deadline=None)
@given(given_rows=_rows(), data=st.data())
def test_laws(
    make_rows: MakeRows, level: Level, near: Near, given_rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    rows = make_rows(*given_rows)
    kept, dropped = level(rows, None)
    by_id = dict(zip(rows["id"], given_rows, strict=True))
    assert sorted([*kept["id"], *dropped["id"]]) == rows["id"].to_list()
    for gone, partner in _partners(dropped).items():
        assert partner in set(kept["id"]) and near(by_id[gone], by_id[partner])
        assert by_id[partner]["n_correct"] >= by_id[gone]["n_correct"]
    staying = [by_id[row] for row in kept["id"]]
    assert not [pair for i, pair in enumerate(staying) if any(near(pair, other) for other in staying[:i])]
    assert level(kept, None).dropped.is_empty()
    shuffled = level(rows[data.draw(st.permutations(range(len(rows))))], None).dropped
    assert dict(dropped.select("id", "evidence").rows()) == dict(shuffled.select("id", "evidence").rows())


@pytest.mark.parametrize(("level", "near"), LEVELS, ids=NAMES)
@settings(max_examples=30, deadline=None)
@given(given_rows=_rows(), data=st.data())
def test_growing_data_removes_no_row_that_was_kept(
    make_rows: MakeRows, level: Level, near: Near, given_rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    rows = make_rows(*given_rows)
    old = level(rows[: data.draw(st.integers(0, len(rows)))], None).kept
    released = old.filter(
        pl.Series(data.draw(st.lists(st.booleans(), min_size=len(old), max_size=len(old))), dtype=pl.Boolean)
    )
    grown = level(rows, released)
    assert set(released["id"]) <= set(grown.kept["id"])
    by_id = dict(zip(rows["id"], given_rows, strict=True))
    for gone, partner in _partners(grown.dropped).items():
        assert partner in set(grown.kept["id"]) and near(by_id[gone], by_id[partner])
    staying = [by_id[row] for row in grown.kept["id"]]
    assert not [row for i, row in enumerate(staying) if any(near(row, other) for other in staying[:i])]
