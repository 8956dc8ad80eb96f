"""Stutters and loops; what only looks like one."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import repetition
from filters.repetition import circling, repeated_sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("So the So the answer is no.", 1),
        ("The circle is the circle is the circle is red.", 1),
        ("It is red, it is red, so yes.", 1),
        ("stars with dots are stars with dots, and stars with dots are stars with dots, and", 1),
        ("So the answer is no. So the answer is no.", 0),  # a sentence that comes again is counted as one
        ("The pattern goes red blue red blue.", 0),
        ("0 1 0 1 0 1", 0),
        ("It grows more and more and more.", 0),
        ("over and over and over", 0),
        ("He had had enough.", 0),
        ("x of the y of the z", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_stutters(text: str | None, count: int) -> None:
    assert stutters(text) == count


def stutters(text: str | None) -> int:
    return int(circling(pl.Series([text], dtype=pl.String), 6)["stutters"][0])


def share(expression: pl.Expr, text: str) -> float:
    return float(pl.DataFrame({"t": [text]}).select(expression).item())


def ngrams(n: int, text: str) -> float:
    return float(circling(pl.Series([text]), n)["repeated_ngrams"][0])


def test_lines_of_marks_and_single_words_are_no_repeated_sentences() -> None:
    display = "\n".join(f"\\[\nx = {i} + {i}\n\\]\nWait.\nso x is {i}{i}{i}" for i in range(9))
    assert share(repeated_sentences(pl.col("t")), display) == 0.0
    loop = "\n".join(["Let me look at the image again."] * 9 + ["It is red."])
    assert share(repeated_sentences(pl.col("t")), loop) == pytest.approx(0.8)


def test_a_loop_of_words_without_a_full_stop_is_repeated_ngrams() -> None:
    assert ngrams(6, "the red star and the blue star " * 20) > 0.9
    assert ngrams(6, "a b c d e f g h i j k l m") == 0.0


TEXTS = st.lists(
    st.sampled_from(["so", "The", "the", "is", "İ", "K", "b", "x1", "9", "é", ".", ",", "\n"]), max_size=40
)


@given(TEXTS, st.sampled_from([" ", ", "]))
def test_what_is_looked_at_first_hides_no_stutter(words: list[str], between: str) -> None:
    text = between.join([*words, *words[-3:]])
    found = [match[1].lower().split() for match in repetition._STUTTER.finditer(text)]
    assert stutters(text) == sum(map(repetition._is_stutter, found))


@given(TEXTS, st.integers(1, 8))
def test_repeated_ngrams_are_those_that_came_before(words: list[str], n: int) -> None:
    text = " ".join(words)
    known = re.findall(r"[^\W_]+", text.lower())
    grams = [tuple(known[i : i + n]) for i in range(len(known) - n + 1)]
    expected = 1 - len(set(grams)) / len(grams) if grams else 0.0
    assert ngrams(n, text) == pytest.approx(expected)


@given(st.lists(TEXTS.map(" ".join), max_size=3))
def test_texts_are_measured_one_by_one_and_their_words_counted(texts: list[str]) -> None:
    found = circling(pl.Series(texts, dtype=pl.String), 2)
    assert found["words"].to_list() == [len(re.findall(r"[^\W_]+", text)) for text in texts]
    for place, text in enumerate(texts):
        assert found.row(place) == circling(pl.Series([text]), 2).row(0)
