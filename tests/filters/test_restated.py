"""A thought that says one thing of the question and answers another."""

import pytest

from filters.restated import affirms, contradicted, ignores


@pytest.mark.parametrize(
    ("thought", "question", "answer", "contradicts"),
    [
        ("The shape is a circle. So the answer is no.", "is there a circle in the image?", False, True),
        ("The shape is a circle. So the answer is yes.", "is there a circle in the image?", True, False),
        ("There is no circle. So the answer is no.", "is a circle present?", False, False),
        ("There is no circle. So the answer is yes.", "is a circle present?", True, True),
        # A question that is put in the negative.
        ("The shapes are: red circle. The circle is red. So the answer is yes.", "is there not a red shape?", True, True),
        ("The shape is a rectangle. So the answer is yes.", "is there not a rectangle in the image?", True, True),
        ("The image does not contain a brown shape. So the answer is no.", "does the image not contain a brown shape?",
         False, True),
        ("There is no brown shape. So the answer is yes.", "is no brown shape present?", True, False),
        ("The shape isn't brown. So the answer is yes.", "isn't there a brown shape?", True, False),
        ("The shape is yellow, not blue. So the answer is yes.", "is there a yellow shape?", True, False),
        ("The shape is yellow, not blue. So the answer is no.", "is there a blue shape?", False, False),
        ("The shape is yellow, not blue. So the answer is yes.", "is there a blue shape?", True, True),
        ("A blue shape is not present. So the answer is yes.", "is there a blue shape?", True, True),
        # Who stands where.
        ("The teal circle is left of the teal diamond. So the answer is no.",
         "Is the teal circle left of the teal diamond?", False, True),
        ("The teal diamond is left of the teal circle. So the answer is no.",
         "Is the teal circle left of the teal diamond?", False, None),
        ("The man is wearing a red hat. So the answer is no.", "Is the man wearing a red hat?", False, True),
        # What says something else, hedges or concludes nothing.
        ("The shape is a triangle. So the answer is no.", "is a teal shape present?", False, None),
        ("The question is whether there is a circle. So the answer is no.", "is there a circle?", False, None),
        ("Is there a circle? So the answer is no.", "is there a circle?", False, None),
        ("There is a circle. It is a blue star. So the answer is no.", "is there a circle?", False, None),
        ("There is a circle.", "is there a circle?", False, None),
        ("So the answer is no.", "is there a circle?", False, None),
        ("The circle near the old wooden door by the river bank. So the answer is no.", "is there a circle?", False, None),
        (None, "is there a circle?", False, None),
        ("There is a circle. So the answer is no.", None, False, None),
        ("It is. So the answer is no.", "is it there?", False, None),
    ],
)  # fmt: skip
def test_contradicted(thought: str | None, question: str | None, answer: bool, contradicts: bool | None) -> None:
    assert contradicted(thought, question, answer) is contradicts


def test_affirms_is_of_the_claim_without_its_negation() -> None:
    assert affirms("There is no circle. So the answer is yes.", "is there not a circle?") is False
    assert affirms("There is a circle. So the answer is no.", "is there not a circle?") is True


@pytest.mark.parametrize(
    ("thought", "question", "off"),
    [
        ("The shape is a circle. So the answer is no.", "is a teal shape present?", True),
        ("The shape is teal. So the answer is no.", "is a teal shape present?", False),
        ("The circles are blue. So the answer is no.", "Is there a red circle?", False),
        ("The dog sleeps. So the answer is no.", "Is the man wearing a red hat?", True),
        ("So the answer is no.", "is a teal shape present?", None),
        ("The shape is a circle. So the answer is yes.", "Is there a shape?", None),
        (None, "is there a circle?", None),
    ],
)
def test_a_thought_ignores_a_question_of_which_it_names_nothing(
    thought: str | None, question: str, off: bool | None
) -> None:
    assert ignores(thought, question) is off
