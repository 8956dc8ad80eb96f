"""Rows that are compared apart have nothing in common; those that have, share a key."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.apart import common_keys, ranges
from filters.dedup.content import content

MakeRows = Callable[..., pl.DataFrame]

PIECES = [*"Ax-/'(? ²٣%_:。三", "AB", "12", "3.5", "1,000", "two", "TWENTY", "one", "First", "5!", "\\frac", "n't"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.sampled_from([str.upper, str.lower, str.title]))
def test_texts_that_any_level_compares_as_equal_share_a_key(
    make_rows: MakeRows, pieces: list[str], spelled: Callable[[str], str]
) -> None:
    text = "".join(pieces)
    rows = make_rows({"question": text}, {"question": f" {spelled(text)} "}, {"question": text + "?"})
    keys, compared = common_keys(rows, True, True), content(rows)
    for other in (1, 2):
        for column in ("question", "marks"):
            if compared[column][0] == compared[column][other]:
                assert keys[0] == keys[other], (json.dumps(text), column)


def test_other_answers_numbers_and_counts_of_media_fall_apart(make_rows: MakeRows) -> None:
    rows = make_rows(
        {"question": "Add 3."}, {"question": "Add 4."}, {"question": "Add 3.", "answer": "no"},
        {"question": "Add 3.", "images": ["a"]}, {"question": "add three"},
    )  # fmt: skip
    assert common_keys(rows, True, True).n_unique() == 4
    assert common_keys(rows, False, True).n_unique() == 3
    assert common_keys(rows, False, False).n_unique() == 2


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 12))
def test_ranges_hold_every_key_that_rows_share_and_few_rows_each(drawn: list[int], most: int) -> None:
    keys: Any = np.array(drawn, dtype=np.uint64)
    found = ranges([keys[: len(keys) // 2], keys[len(keys) // 2 :]], most)
    counts = {key: drawn.count(key) for key in set(drawn)}
    shared = {key for key, count in counts.items() if count > 1}
    assert {key for key in shared if any(first <= key <= last for first, last in found)} == shared
    assert all(a[1] < b[0] for a, b in pairwise(found))
    for first, last in found:
        held = [key for key in shared if first <= key <= last]
        assert len(held) == 1 or sum(counts[key] for key in held) <= most
