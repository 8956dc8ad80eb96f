"""Marks: the words that change a question's meaning."""

import polars as pl
import pytest

from filters.dedup.marks import marks


def _marks(text: str | None) -> str:
    frame = pl.DataFrame({"t": [text]}, schema={"t": pl.String})
    return str(frame.select(marks(pl.col("t")))["t"][0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Add 3 and 5", "Add 3 and 6"),
        ("Tom has two apples", "Tom has three apples"),
        ("Tom has one apple", "Tom has two apples"),
        ("Is the ball red?", "Is the ball blue?"),
        ("Is the cat left of the dog?", "Is the cat right of the dog?"),
        ("Is it open?", "Isn't it open?"),
        ("Find AB", "Find AC"),
        ("Solve for x", "Solve for y"),
        ("5 minus 3", "3 minus 5"),
        ("the red cube and the blue cone", "the blue cube and the red cone"),
        ("f(2)=-3", "f(2)=3"),
        ("x = 1.5", "x = 15"),
        ("which is largest", "which is smallest"),
        ("共有三个苹果", "共有四个苹果"),
        ("the first bar", "the third bar"),
    ],
)
def test_a_changed_fact_changes_the_marks(one: str, other: str) -> None:
    assert _marks(one) != _marks(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What's in the picture?", "What is in the picture?"),
        ("How many cats are there?", "What is the number of cats?"),
        ("Which one is the biggest?", "Which is the largest?"),
        ("He paid 1,000 dollars", "He paid 1000 dollars"),
        ("two dogs", "2 dogs"),
        ("the grey car", "the gray car"),
        ("12 apples", "１２ apples"),
    ],
)
def test_a_paraphrase_keeps_the_marks(one: str, other: str) -> None:
    assert _marks(one) == _marks(other)


def test_null_and_empty_have_none() -> None:
    assert _marks(None) == _marks("") == ""
