"""Words known by hashes: the same words have the same, wherever they are in a text."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.word_hashes import ngrams, repeated, spelled, words_of


def small(text: str) -> str:
    return str(pl.select(spelled(pl.lit(text))).item())


@given(st.text(st.sampled_from("aAbB1 .\t_éÉß—×日\u0301"), max_size=60))
def test_words_are_those_of_the_text_and_equal_ones_have_equal_hashes(text: str) -> None:
    known = small(text)
    expected = re.findall(r"[^\W_]+", text.lower())
    words, data = words_of(known), known.encode()
    assert [data[a:b].decode() for a, b in zip(words.starts, words.ends, strict=True)] == expected
    by_hash = dict(zip(words.hashes.tolist(), expected, strict=True))
    assert [by_hash[found] for found in words.hashes.tolist()] == expected
    assert len(by_hash) == len(set(expected))


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 5))
def test_ngrams_are_all_words_in_a_row(letters: list[str], n: int) -> None:
    found = ngrams(words_of(" ".join(letters)).hashes, n)
    grams = [tuple(letters[i : i + n]) for i in range(len(letters) - n + 1)]
    assert len(found) == len(grams)
    assert len(set(found.tolist())) == len(set(grams))
    assert repeated(found) == pytest.approx(1 - len(set(grams)) / len(grams) if grams else 0.0)


def test_the_order_of_letters_and_of_words_counts() -> None:
    words = words_of("ab ba abab abba baab ab12 ab21")
    assert len(np.unique(words.hashes)) == 7
    assert len(np.unique(ngrams(words_of("x y y x x y").hashes, 2))) == 4
