"""Trajectory diversity: numbers worked out by hand, and NLTK's where it is there."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.select.diversity import DIVERSITY, MEASURES, distinct_n, diversity, edit_distance, edit_words, self_bleu


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_distinct_3() -> None:
    # a b c, b c d | a b c, b c e: four 3-grams, three of them different.
    assert distinct_n(words("a b c d", "a b c e")) == 0.75
    assert distinct_n(words("a b", "c")) == 0.0


def test_self_bleu() -> None:
    # Each against the other: 3 of 4 words, 2 of 3 pairs, 1 of 2 triples agree; lengths are equal.
    expected = (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3)
    assert self_bleu(words("a b c d", "a b c e")) == pytest.approx(expected)
    assert self_bleu(words("a b c", "a b c")) == pytest.approx(1.0)
    assert self_bleu(words("a b c", "x y z")) == 0.0
    # A short one is punished: all of "a b c" agrees, but exp(1 - 6/3) for its length.
    short = (1.0 * math.exp(1 - 6 / 3) + (3 / 6 * 2 / 5 * 1 / 4) ** (1 / 3)) / 2
    assert self_bleu(words("a b c", "a b c d e f")) == pytest.approx(short)


def test_edit_distance() -> None:
    # One word of four, and three of four plus none: (1/4 + 4/4 + 4/4) / 3.
    assert edit_distance(words("a b c d", "a b c e", "w x y z")) == pytest.approx(0.75)


def test_edit_words_has_no_limit() -> None:
    assert edit_words(words("a b c d", "a b c e", "w x y z")) == pytest.approx((1 + 4 + 4) / 3)
    assert edit_words(words("a b c d")) == edit_words([]) == 0.0


def test_a_table_of_rollouts() -> None:
    rows = pl.DataFrame({"id": ["b", "a", "a", "b"], "index": [0, 1, 0, 1], "text": ["x y z", "a b c", "a b c", None]})
    assert diversity(rows, "distinct_3").to_dicts() == [{"id": "a", "distinct_3": 0.5}, {"id": "b", "distinct_3": 1.0}]
    assert diversity(rows.head(0), "edit_distance").columns == ["id", "edit_distance"]


TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=4)


@given(TEXTS)
def test_every_measure_lies_between_0_and_1_and_knows_no_order(texts: list[list[str]]) -> None:
    for name in DIVERSITY:
        value = MEASURES[name](texts)
        assert -1e-9 <= value <= 1 + 1e-9
        assert MEASURES[name](texts[::-1]) == pytest.approx(value)


@given(TEXTS.filter(lambda texts: len(texts) > 1 and all(texts)))
def test_self_bleu_is_nltks(texts: list[list[str]]) -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    smooth = bleu.SmoothingFunction().method1
    weights = (1 / 3, 1 / 3, 1 / 3)
    scores = [
        bleu.sentence_bleu(texts[:i] + texts[i + 1 :], t, weights=weights, smoothing_function=smooth)
        for i, t in enumerate(texts)
    ]
    assert self_bleu(texts) == pytest.approx(sum(scores) / len(scores))
