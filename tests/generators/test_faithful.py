"""Captions are judged object by object, thoughts by their layout, each of their sentences, and their answer."""

from dataclasses import replace
from typing import Any

from generators.reference.faithful import THINK, captions_by_objects, facts_right, judge, objects_in, thoughts
from generators.scenes import SceneObject, SceneQuestion, caption, iter_scenes, make_scene
from generators.thoughts import facts_of, think

SCENES = [s for s in iter_scenes("test", 60, "faithful", (1, 2, 3)) if s.objects]


class Writer:
    """Answers each query with what a function makes of its text; the queries that it was asked are kept."""

    def __init__(self, write: Any) -> None:
        self.write, self.asked = write, list[str]()

    def reply(self, queries: Any, *, tokens: int = 6, system: str = "") -> list[list[str]]:
        self.asked += [system + text for _, text in queries]
        return [[self.write(place, text, system)] for place, (_, text) in enumerate(queries)]


def test_every_object_of_a_caption_is_read() -> None:
    for scene in SCENES:
        named = objects_in(caption(scene))
        assert sorted(n[:3] for n in named) == sorted((o.size, o.colour, o.shape) for o in scene.objects)
        assert set(facts_right(named, named).values()) == {len(scene.objects)}


def test_each_named_object_stands_for_the_likest_that_is_there() -> None:
    there = [("small", "red", "circle", "top"), ("large", "blue", "star", "left")]
    assert facts_right([("small", "blue", "star", "left")], there) == {"size": 0, "colour": 1, "shape": 1, "place": 1}
    assert facts_right([*there, there[0]], there) == dict.fromkeys(("size", "colour", "shape", "place"), 2)
    assert facts_right([], there) == dict.fromkeys(("size", "colour", "shape", "place"), 0)


def test_captions_by_the_number_of_objects() -> None:
    shown = [s for s in iter_scenes("test", 60, "captions-0", (1, 2, 3)) if s.objects]
    perfect: Any = Writer(lambda place, text, system: caption(shown[place]))
    scores = captions_by_objects(perfect, 0, 60)
    assert {part for row in scores.values() for key, part in row.items() if key != "n"} == {1.0}
    assert scores["up to 4"]["n"] == sum(len(s.objects) <= 4 for s in shown) < len(shown)
    other: Any = Writer(lambda place, text, system: caption(shown[place]).replace("circle", "star"))
    circles = [any(o.shape == "circle" for o in s.objects) for s in shown if len(s.objects) == 1]
    assert captions_by_objects(other, 0, 60)["1"]["whole"] == round(1 - sum(circles) / len(circles), 4)


def _red_circle() -> tuple[Any, SceneQuestion]:
    circle = SceneObject("circle", "red", (255, 0, 0), 5, 5, 4)
    scene = replace(make_scene(0, 1), objects=(circle,), digit=None)
    return scene, SceneQuestion(scene.id, "color", 1, "What color is the circle?", "red", "text")


def test_a_reply_is_judged_by_layout_truth_and_answer() -> None:
    scene, question = _red_circle()
    good = "<think>The shapes are: red circle. The circle is red. So the answer is red.</think>\n<answer>red</answer>"
    assert judge(good, scene, question) == (True, True, True)
    assert judge(good.replace("The shapes are: red", "The shapes are: blue"), scene, question) == (True, False, True)
    assert judge(good.replace("<answer>red", "<answer>blue"), scene, question) == (True, True, False)
    assert judge("red", scene, question) == (False, False, False)
    assert judge("<think></think>\n<answer>red</answer>", scene, question) == (True, False, True)


def test_thoughts_are_asked_for_in_both_places_and_measured_beside_the_bare_answer() -> None:
    scene, question = _red_circle()
    found = think(facts_of(scene), question.question)
    assert found

    def write(place: int, text: str, system: str) -> str:
        thinks = "<think>" in system + text
        return f"<think>{found[0]}</think>\n<answer>{found[1]}</answer>" if thinks else question.answer

    writer: Any = Writer(write)
    all_right = {"formed": 1.0, "true": 1.0, "accuracy": 1.0}
    scores = thoughts(writer, [(scene, question)] * 3, 0)
    assert scores == {"n": 3, "bare": {"accuracy": 1.0}, "system": all_right, "suffix": all_right}
    order = f"{question.question}\n\n{THINK}"
    assert writer.asked == [question.question] * 3 + [f"{THINK}{question.question}"] * 3 + [order] * 3
