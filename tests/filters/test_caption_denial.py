"""What a caption denies of a thought, by hand: inventions are found, and what is none is let alone."""

import pytest

from filters.caption_denial import denied, unvouched

BLUE = "1 shape: a large blue circle at the center."
TWO = "2 shapes: a medium teal circle at the left, a small gray star at the top."


@pytest.mark.parametrize(
    ("thought", "caption", "question", "words"),
    [
        ("The circle is red. So the answer is yes.", BLUE, "is there a shape?", ["red"]),
        # A question's word is a claim where the sentence gives it to something.
        (
            "The shapes are: red circle. The circle is red. So the answer is yes.",
            BLUE,
            "is there not a red shape?",
            ["red"],
        ),
        ("There is a red circle.", BLUE, "Is there a red circle?", ["red"]),
        ("The shape is a rectangle. So the answer is no.", BLUE, "is a gray shape present?", ["rectangle"]),
        ("There are 3 shapes. So the answer is yes.", TWO, "Is the circle left of the star?", ["3 shapes"]),
        ("There are three shapes.", TWO, "", ["three shapes"]),
        ("There is 1 glass.", "2 glasses on a table.", "", ["1 glass"]),
        ("A yellow star and a red cross.", TWO, "", ["yellow", "red", "cross"]),
        ("The grey star is at the top.", TWO, "", []),
        # What is denied, supposed or asked is not claimed.
        ("There is no yellow rectangle.", BLUE, "", []),
        ("The image does not contain a red square.", BLUE, "", []),
        ("The question asks for a red shape.", BLUE, "is there a red shape?", []),
        ("If it were red, the answer would be yes.", BLUE, "", []),
        ("Red is asked for; the circle is blue.", BLUE, "Is the circle red?", []),
        ("Is there a red star?", BLUE, "", []),
        ("I compare red with blue.", BLUE, "Is the circle red?", []),
        # A caption that names none of a class denies nothing of it, and no caption denies nothing at all.
        ("The dog is brown and sits on a square mat.", "A dog on a mat.", "", []),
        ("The circle is red.", None, "", []),
        ("The circle is red.", "", "", []),
        (None, BLUE, "", []),
        # Counting what the caption lists is reasoning.
        ("There are 2 circles.", "3 shapes: a red circle, a blue circle, a black star.", "", []),
        ("There are 7 apples.", "3 apples on a plate, 4 apples in a bowl.", "", []),
        ("3 shapes minus 1 leaves 2.", "3 shapes: a red circle, a blue circle, a black star.", "", []),
    ],
)
def test_what_the_caption_denies(thought: str | None, caption: str | None, question: str, words: list[str]) -> None:
    assert denied(thought, caption, question) == words


def test_what_the_answer_says_is_as_right_as_the_answer() -> None:
    assert denied("The shape is a star. So the answer is star.", BLUE, "What shape is there?", "star") == []
    assert denied("There are 3 shapes. So the answer is 3.", TWO, "How many shapes are there?", "3") == []
    assert denied("There are 3 shapes.", TWO, "How many shapes are there?", "2") == ["3 shapes"]


@pytest.mark.parametrize(
    ("thought", "question", "answer", "words"),
    [
        ("The shape is a green circle. So the answer is green.", "what color is the shape?", "green", ["circle"]),
        ("The shape is green. So the answer is green.", "what color is the shape?", "green", []),
        ("The brown shape is a circle.", "what is the brown shape?", "circle", []),
        ("The shape is a circle. So the answer is no.", "is a teal shape present?", "no", ["circle"]),
        ("There is no red star. So the answer is no.", "is a teal shape present?", "no", []),
        ("", "", "", []),
        (None, None, None, []),
    ],
)
def test_what_no_verified_answer_vouches_for(
    thought: str | None, question: str | None, answer: str | None, words: list[str]
) -> None:
    assert unvouched(thought, question, answer) == words
