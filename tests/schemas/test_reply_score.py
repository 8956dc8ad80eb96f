"""Which score a reply gives, as judges write them, and when it gives none."""

import pytest

from schemas.reply_score import read_score

NINE: list[tuple[str, float | None]] = [
    ("7", 7),
    (" 7.\n", 7),
    ("**7**", 7),
    ("[[7]]", 7),
    ("7.5", 7.5),
    ("7/9", 7),
    ("7 / 9", 7),
    ("7 out of 9", 7),
    ("I would give it 7 out of 9 for clarity.", 7),
    ("Score: 7", 7),
    ("score = 7", 7),
    ("**Score:** 7/9", 7),
    ("Score (0-9): 7", 7),
    ('{"score": 7, "why": "2 errors"}', 7),
    ("Rating: [[4]]", 4),
    ("It has 3 errors in 12 lines.\nFinal score: 4", 4),
    ("Score for style: 3 of the rules hold.\nOverall rating: 5", 5),
    ("A score of 0 means wrong, a score of 9 right.\nScore: 6", 6),
    ("The score is 8 because it names 2 of 3 facts.", 8),
    ("Step 1 is fine, step 2 is not.\n4", 4),
    ("4\nIt misses 2 facts.", 4),
    ("\\boxed{3}", 3),
    ("9 would be too much.\n<answer>6</answer>", 6),
    ("", None),
    ("none", None),
    ("10", None),
    ("-1", None),
    ("7/10", None),
    ("Score: 8/10", None),
    ("Score: 12", None),
    ("Score: 7 or 8", None),
    ("Score: 7-8", None),
    ("7–8", None),
    ("Score: 7\nScore: 5", None),
    ("7 out of 9, or rather 5 out of 9", None),
    ("4\nand then again\n6", None),
    ("It has 3 errors.", None),
    ("85%", None),
    ("7,5", None),
    ("1.2.3", None),
    ("7th", None),
    ("\\boxed{12}", None),
]


@pytest.mark.parametrize(("text", "score"), NINE)
def test_the_one_score_that_is_given(text: str, score: float | None) -> None:
    assert read_score(text, 0, 9) == score


@pytest.mark.parametrize(
    ("text", "low", "high", "score"),
    [
        ("-3", -5, 5, -3),
        ("Score: −3", -5, 5, -3),
        ("0.85", 0.0, 1.0, 0.85),
        ("1/1", 0, 1, 1),
        ("Grade: 85/100", 0, 100, 85),
        ("0.5 out of 1", 0.0, 1.0, 0.5),
    ],
)
def test_other_bounds(text: str, low: float, high: float, score: float) -> None:
    assert read_score(text, low, high) == score


LOOPS = ["7 ", "7", "score ", "score: 7 or ", "score: 7. ", "*", "(", " ", "\n", "7/", "final ", "<answer>"]


@pytest.mark.parametrize("text", LOOPS)
def test_a_judge_in_a_loop_ends(text: str) -> None:
    """What grew with the square of a reply would take hours here."""
    assert read_score(text * 50_000, 0, 9) in (None, 7)
