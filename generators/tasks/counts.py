"""The task `number`: how many objects an image has, in all or of one colour."""

from collections.abc import Iterator

from generators.scenes import Scene
from generators.tasks.rows import Asked, Drawing, Row, scene_row, scenes


def number(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """A count."""
    for place, scene in enumerate(scenes(n, f"{seed}-number", drawing)):
        yield scene_row("number", place, scene, counted(scene, place), drawing)


def counted(scene: Scene, place: int) -> Asked:
    """How many shapes, or how many of the colour of the largest?"""
    colour = scene.objects[0].colour if place % 2 else None
    count = sum(colour in (None, item.colour) for item in scene.objects)
    noun = f"{colour} shapes" if colour else "shapes"
    because, amiss = (f"Of {noun} there are {found}." for found in (count, count + 1))
    return Asked("count", f"How many {noun} are there?", str(count), str(count + 1), "number", because, amiss)
