"""Items of lists: their bullets, and numbers among them."""

import pytest

from filters.verify.list_items import in_digits, without_bullets


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("- red\n- blue", "red\nblue"),
        ("1. red\n2) blue", "red\nblue"),
        ("-5\n-6", "-5\n-6"),
        ("3.5 cm", "3.5 cm"),
    ],
)
def test_bullets_are_taken_off_and_signs_stay(text: str, bare: str) -> None:
    assert without_bullets(text) == bare


def test_numbers_are_in_digits_and_codes_stay_what_they_are() -> None:
    assert in_digits(["three", "3.0", "三", "007", "5 cm", "50%", "red"]) == [
        "3",
        "3",
        "3",
        "007",
        "5 cm",
        "50%",
        "red",
    ]
