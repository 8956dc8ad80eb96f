"""The reasoner comes to every gold, each of its sentences is true of the image, and it knows easy-VQA's questions."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from generators.puzzles import puzzles
from generators.scenes import Digit, Scene, SceneObject, iter_scenes, make_scene, place, questions
from generators.thoughts import Facts, Item, facts_of, think

SCENES = tuple(iter_scenes("test", 150, "thoughts"))


def test_it_comes_to_the_gold_of_every_question() -> None:
    asked = [(scene, q) for scene in SCENES for q in (*questions(scene), *puzzles(scene))]
    found = [think(facts_of(scene), q.question) for scene, q in asked]
    assert [answer and answer[1] for answer in found] == [q.answer for _, q in asked]
    apart = [think(facts_of(scene), q.stem, q.options) for scene, q in asked]
    assert apart == found
    assert len({q.task for _, q in asked}) == 13


def test_what_it_lists_is_what_there_is() -> None:
    for scene in SCENES:
        there = Counter(f"{o.colour} {o.shape}" for o in scene.objects)
        placed = Counter(f"{o.colour} {o.shape} at the {place(o.x, o.y)}" for o in scene.objects)
        for q in (*questions(scene), *puzzles(scene)):
            found = think(facts_of(scene), q.question)
            assert found
            for listed in re.findall(r"The shapes are: ([^.]*)\.", found[0]):
                assert Counter(listed.split(", ")) in (there, placed)


def _scene(*objects: tuple[str, str, float, float]) -> Scene:
    drawn = tuple(SceneObject(shape, colour, (0, 0, 0), x, y, 5) for colour, shape, x, y in objects)
    return replace(make_scene(0, 1), objects=drawn, digit=Digit(7, 8, 60, 3))


@pytest.mark.parametrize(
    ("question", "thought"),
    [
        ("What color is the star?", "{all} The star is blue. So the answer is blue."),
        (
            "What is the shape at the top left?",
            "{placed} The shape at the top left is a circle. So the answer is circle.",
        ),
        ("Is there a red star in the image?", "{all} There is no red star. So the answer is no."),
        ("is no red shape present?", "{all} There is a red shape. So the answer is no."),
        ("does the image not contain an orange star?", "{all} There is no orange star. So the answer is yes."),
        (
            "How many red shapes are there?",
            "{all} The red shapes are: red circle, red cross. That makes 2. So the answer is 2.",
        ),
        ("How many shapes are there?\nA) 2 B) 3", "{all} That makes 3. B is 3. So the answer is B."),
        (
            "Where is the blue star from the red cross, above or below?",
            "The blue star is at the bottom. The red cross is at the center. The bottom is below the center. "
            "So the answer is below.",
        ),
        ("What digit is in the image?", "The digit 7 is at the bottom left. So the answer is 7."),
        (
            "How many shapes are either red or stars?",
            "{all} Either red or stars: red circle, red cross, blue star. That makes 3. So the answer is 3.",
        ),
        (
            "How many more circles than crosses are there?",
            "{all} Circles: 1, crosses: 1. 1 - 1 = 0. So the answer is 0.",
        ),
        ("Which color is there most often?", "{all} Red: 2, blue: 1. So the answer is red."),
        ("Is any shape there twice?", "{all} No shape is there twice. So the answer is no."),
        ("What is the lowest shape?", "{placed} The lowest is the blue star. So the answer is star."),
    ],
)
def test_a_thought_reads_like_this(question: str, thought: str) -> None:
    facts = facts_of(_scene(("blue", "star", 30, 60), ("red", "circle", 5, 5), ("red", "cross", 30, 30)))
    found = think(facts, question)
    listed = "The shapes are: red circle, red cross, blue star."
    placed = "The shapes are: red circle at the top left, red cross at the center, blue star at the bottom."
    assert found
    assert found[0] == thought.format(all=listed, placed=placed)


def test_a_question_of_another_kind_or_without_one_answer_has_no_thought() -> None:
    facts = Facts((Item("red", "circle", "top"), Item("blue", "circle", "left")))
    for question in (
        "Why?", "What color is the circle?", "What is the green shape?", "Which color is there most often?",
        "What digit is in the image?", "What is the dog?", "Where is the red circle from the blue circle, near or far?",
    ):  # fmt: skip
        assert think(facts, question) is None
    assert think(facts, "How many shapes are there?", ("3", "4")) is None
