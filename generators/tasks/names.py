"""The tasks `text`, `choice` and `yes_no`: colour and shape of an image's largest object, at level 1 its only one."""

from collections.abc import Iterator

from generators.scenes import COLOURS, LEVELS, SHAPES, Scene
from generators.tasks.rows import Asked, Drawing, Row, altered, scene_row, scenes


def text(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """A colour or a shape, in a word."""
    for number, scene in enumerate(scenes(n, seed, drawing, apart=True)):
        yield scene_row("text", number, scene, named(scene, number), drawing)


def choice(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """The same with options: three shapes, or four colours. `answer` is the text of the right one, `letter` its letter."""
    for number, scene in enumerate(scenes(n, f"{seed}-choice", drawing, apart=True)):
        yield scene_row("choice", number, scene, offered(scene, number), drawing)


def yes_no(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """Whether the image contains an object; every other one is not there."""
    for number, scene in enumerate(scenes(n, f"{seed}-yes-no", drawing, apart=True)):
        yield scene_row("yes_no", number, scene, contained(scene, number), drawing)


def named(scene: Scene, number: int) -> Asked:
    """What colour, or which shape, is it?"""
    one, other = scene.objects[0], altered(scene).objects[0]
    if number % 2:
        because, amiss = (f"The {o.colour} shape is a {o.shape}." for o in (one, other))
        return Asked("shape", f"What is the {one.colour} shape?", one.shape, other.shape, "text", because, amiss)
    because, amiss = (f"The {o.shape} is {o.colour}." for o in (one, other))
    return Asked("color", f"What color is the {one.shape}?", one.colour, other.colour, "text", because, amiss)


def offered(scene: Scene, number: int) -> Asked:
    """`named`, with options."""
    asked, rules = named(scene, number), LEVELS[scene.level]
    domain = SHAPES[: rules.shapes] if asked.topic == "shape" else tuple(COLOURS)[: rules.colours]
    others = [word for word in domain if word not in (asked.answer, asked.wrong)]
    start = number % len(others)
    words = [asked.wrong, *(others[start:] + others[:start])[:2]]
    words.insert(number % (len(words) + 1), asked.answer)
    return Asked(
        asked.topic, asked.question, asked.answer, asked.wrong, "choice", asked.because, asked.amiss, tuple(words)
    )


def contained(scene: Scene, number: int) -> Asked:
    """Is there such an object?"""
    there, absent = scene.objects[0], altered(scene).objects[0]
    asked = absent if number % 2 else there
    answer, wrong = ("no", "yes") if number % 2 else ("yes", "no")
    seen = f"There is a {there.colour} {there.shape}."
    question = f"Is there a {asked.colour} {asked.shape} in the image?"
    return Asked("exist", question, answer, wrong, "boolean", seen, f"There is a {absent.colour} {absent.shape}.")
