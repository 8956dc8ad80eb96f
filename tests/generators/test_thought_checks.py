"""What the reasoner writes is true, sentence by sentence, and a thought about another image or with a slip is not."""

import pytest

from generators.puzzles import puzzles
from generators.scenes import iter_scenes, questions
from generators.thought_checks import untrue
from generators.thoughts import Facts, Item, facts_of, think

SCENES = tuple(iter_scenes("test", 120, "checks"))
FACTS = Facts(
    (Item("red", "circle", "top left"), Item("red", "cross", "center"), Item("blue", "star", "bottom")), ("7", "right")
)


def test_the_reasoners_thoughts_are_true_and_those_about_another_image_are_not() -> None:
    wrong = total = 0
    for scene, other in zip(SCENES, SCENES[5:], strict=False):
        for q in (*questions(scene), *puzzles(scene)):
            found = think(facts_of(scene), q.question)
            assert found
            assert untrue(facts_of(scene), found[0], q.options) == []
            wrong += bool(untrue(facts_of(other), found[0], q.options))
            total += 1
    assert wrong > 0.95 * total


@pytest.mark.parametrize(
    "sentence",
    [
        "The shapes are: red circle, red cross, blue star", "The shapes are: blue star, red cross, red circle",
        "The red shapes are: red circle, red cross. That makes 2", "There is a red cross", "There is no green shape",
        "There are no diamonds. That makes 0", "Circles: 1, stars: 1. 1 is equal to 1", "Red: 2, blue: 1", "3 - 1 = 2",
        "The digit 7 is at the right", "The star is blue", "The blue shape is a star", "The red cross is at the center",
        "The shape at the bottom is a star", "The top left is left of the center", "Only one is blue", "Only one is a star",
        "Either red or stars: red circle, red cross, blue star", "No shape is there twice", "The lowest is the blue star",
        "B is red", "So the answer is 9",
    ],
)  # fmt: skip
def test_what_is_so(sentence: str) -> None:
    assert untrue(FACTS, f"{sentence}.", ("blue", "red")) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The shapes are: red circle, red cross", "The shapes are: red circle, red cross, blue star, blue star",
        "The red shapes are: red circle", "That makes 3", "There is a red star", "There is no red cross",
        "There are no stars", "Circles: 2, stars: 1", "1 is more than 1", "3 - 1 = 1", "The digit 8 is at the right",
        "The digit 7 is at the top", "The star is red", "The red shape is a cross", "The red cross is at the top",
        "The top left is left of the left", "Only one is red", "Either red or stars: none", "No color is there twice",
        "The lowest is the red cross", "The leftmost is the red cross", "A is red", "D is red", "It looks nice",
        "The dogs are: none", "There is no dog",
    ],
)  # fmt: skip
def test_what_is_not_so(sentence: str) -> None:
    assert untrue(FACTS, f"{sentence}.", ("blue", "red")) == [sentence]
