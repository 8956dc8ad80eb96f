"""Stutters and loops; what only looks like one."""

import polars as pl
import pytest

from filters.repetition import repeated_ngrams, repeated_sentences, stutters


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


def share(expression: pl.Expr, text: str) -> float:
    return float(pl.DataFrame({"t": [text]}).select(expression).item())


def test_lines_of_marks_and_single_words_are_no_repeated_sentences() -> None:
    display = "\n".join(f"\\[\nx = {i} + {i}\n\\]\nWait.\nso x is {i}{i}{i}" for i in range(9))
    assert share(repeated_sentences(pl.col("t")), display) == 0.0
    loop = "\n".join(["Let me look at the image again."] * 9 + ["It is red."])
    assert share(repeated_sentences(pl.col("t")), loop) == pytest.approx(0.8)


def test_a_loop_of_words_without_a_full_stop_is_repeated_ngrams() -> None:
    assert share(repeated_ngrams(pl.col("t"), 6), "the red star and the blue star " * 20) > 0.9
    assert share(repeated_ngrams(pl.col("t"), 6), "a b c d e f g h i j k l m") == 0.0
