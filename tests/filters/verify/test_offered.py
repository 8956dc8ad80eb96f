"""Options as rows give them: one text that lists them, or texts with letters of their own."""

import pytest

from filters.verify.offered import listed_in, unlabelled


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("A. 3\nB. 4", ("3", "4")),
        ("A) 12; B) 17", ("12", "17")),
        ("A) 1,200, B) 17", ("1,200", "17")),
        ("(A) a cat, asleep (B) a dog", ("a cat, asleep", "a dog")),
        ("A. red; blue\nB. green", ("red; blue", "green")),
        ("A. first line\nsecond line\nB. dog", ("first line\nsecond line", "dog")),
        ("Choices:\n(A) cat\n(B) dog", ("cat", "dog")),
        ("A. cat\nC. dog", ()),
        ("B. cat\nA. dog", ()),
        ("the cat\nA. cat\nB. dog", ()),
        ("A. cat", ()),
        ("cat, dog", ()),
        ("ab", ()),
        ("", ()),
    ],
)
def test_one_text_lists_options_only_under_letters_in_order(text: str, options: tuple[str, ...]) -> None:
    assert listed_in(text) == options


@pytest.mark.parametrize(
    ("options", "bare"),
    [
        (("A. cat", "B. dog"), ("cat", "dog")),
        (("(A) cat", "(B) dog"), ("cat", "dog")),
        (("0. cat", "1. dog"), ("cat", "dog")),
        (("A. cat", "C. dog"), ("A. cat", "C. dog")),
        (("A. cat", "dog"), ("A. cat", "dog")),
    ],
)
def test_labels_are_taken_off_where_each_is_that_of_its_place(options: tuple[str, ...], bare: tuple[str, ...]) -> None:
    assert unlabelled(options, "AB") == bare
