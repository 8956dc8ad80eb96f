"""Near-duplicate text: same words, a few of them changed."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup import minhash
from filters.dedup.minhash import MinHashConfig, bands, drop_similar_text

MakeRows = Callable[..., pl.DataFrame]

LONG = "In the image a boat lies on the shore beside a wooden house. Name the material of which the house is made"


@pytest.mark.parametrize(
    ("one", "other", "dropped"),
    [
        ({"question": LONG}, {"question": LONG + ", please."}, 1),
        ({"question": LONG}, {"question": LONG.replace("boat", "ship")}, 1),
        ({"question": LONG}, {"question": "Which material is the house made of?"}, 0),
        ({"question": LONG + " with 3 windows"}, {"question": LONG + " with 4 windows"}, 0),
        ({"question": LONG}, {"question": LONG.replace("beside", "behind")}, 0),
        ({"question": LONG}, {"question": LONG + ", please.", "answer": "stone"}, 0),
        ({"question": LONG, "images": ["a"]}, {"question": LONG + ", please.", "images": ["a"]}, 1),
        ({"question": LONG, "images": ["a"]}, {"question": LONG + ", please.", "images": ["b"]}, 0),
        ({"question": LONG, "images": ["a"]}, {"question": LONG + ", please."}, 0),
    ],
)
def test_words_media_answers_and_facts_decide(
    make_rows: MakeRows, one: dict[str, Any], other: dict[str, Any], dropped: int
) -> None:
    result = drop_similar_text(make_rows(one, other), MinHashConfig())
    assert len(result.dropped) == dropped
    for row in result.dropped.to_dicts():
        evidence = json.loads(row["evidence"])
        assert row["reason"] == "dedup:text" and evidence["kept"] == "r0000" and 0.8 <= evidence["similarity"] <= 1


def test_the_best_row_and_former_rows_stay(make_rows: MakeRows) -> None:
    rows = make_rows({"question": LONG}, {"question": LONG + ", please."}).with_columns(n_correct=pl.Series([1, 2]))
    assert drop_similar_text(rows, MinHashConfig()).kept["id"].to_list() == ["r0001"]
    assert drop_similar_text(rows[1:], MinHashConfig(), former=rows[:1]).kept.is_empty()
    assert drop_similar_text(rows[:0], MinHashConfig()).kept.is_empty()


@given(threshold=st.floats(0.3, 0.95), recall=st.sampled_from([0.9, 0.99, 0.999]))
def test_bands_propose_pairs_at_the_threshold(threshold: float, recall: float) -> None:
    count, rows = bands(threshold, 128, recall)
    assert count * rows <= 128
    assert 1 - (1 - threshold**rows) ** count >= recall or (count, rows) == (128, 1)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text("ab ", min_size=4, max_size=12), min_size=1, max_size=15), data=st.data())
def test_nothing_vanishes_twice_is_once_and_order_is_nothing(
    make_rows: MakeRows, texts: list[str], data: st.DataObject
) -> None:
    rows = make_rows(*[{"question": text} for text in texts])
    config = MinHashConfig(shingle=2, threshold=0.6)
    kept, dropped = drop_similar_text(rows, config)
    assert sorted([*kept["id"], *dropped["id"]]) == rows["id"].to_list()
    assert {json.loads(evidence)["kept"] for evidence in dropped["evidence"]} <= set(kept["id"])
    assert drop_similar_text(kept, config).dropped.is_empty()
    shuffled = rows[data.draw(st.permutations(range(len(rows))))]
    assert set(drop_similar_text(shuffled, config).kept["id"]) == set(kept["id"])


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_text_has_as_many_hashes_as_shingles(size: int) -> None:
    texts = ["", "ab", "abcabcabc", "größer 😀 als", "x" * 50, "the quick brown fox"]
    found = minhash._shingle_hashes(pl.Series(texts), size)
    assert [len(hashes) for hashes in found] == [len(minhash._shingles(text, size)) for text in texts]
    again = minhash._shingle_hashes(pl.Series([texts[3], texts[5]]), size)
    assert (again[0] == found[3]).all() and (again[1] == found[5]).all()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_large_classes_find_what_comparing_all_pairs_finds(make_rows: MakeRows, data: st.DataObject) -> None:
    words = st.sampled_from(["red", "old", "car", "near", "tall", "house", "by", "blue", "lake"])
    texts = data.draw(st.lists(st.lists(words, min_size=6, max_size=9).map(" ".join), min_size=2, max_size=30))
    rows = make_rows(*[{"question": text} for text in texts])
    config = MinHashConfig(match_marks=False, recall=0.999999)
    all_pairs = drop_similar_text(rows, config).dropped
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "FEW", 0)
        banded = drop_similar_text(rows, config).dropped
    assert banded.rows() == all_pairs.rows()
