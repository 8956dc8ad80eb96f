"""The tasks `boxes` and `points`: where an object is, in pixels."""

from collections.abc import Iterator
from itertools import islice

from generators.scenes import Scene
from generators.tasks.rows import Asked, Drawing, Row, place_of, scene_row, scenes


def boxes(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """Its box, as `[x1, y1, x2, y2]`."""
    for number, scene in enumerate(_apart(n, f"{seed}-boxes", drawing)):
        yield scene_row("boxes", number, scene, _found(scene, drawing, "boxes"), drawing)


def points(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """Its middle, as `[x, y]`: where one would click. `box` is where a click is right."""
    for number, scene in enumerate(_apart(n, f"{seed}-points", drawing)):
        yield scene_row("points", number, scene, _found(scene, drawing, "points"), drawing)


def _apart(n: int, seed: str, drawing: Drawing) -> Iterator[Scene]:
    """Scenes whose largest object has a name that fits no other."""
    names = ((scene, [(item.colour, item.shape) for item in scene.objects]) for scene in scenes(8 * n, seed, drawing))
    yield from islice((scene for scene, (first, *others) in names if first not in others), n)


def _found(scene: Scene, drawing: Drawing, kind: str) -> Asked:
    """The largest object. The wrong place is half of the image away in both directions, and inside it."""
    one, half = scene.objects[0], drawing.size / 2
    box, point = place_of(one, drawing.size)
    shift = [half if middle < half else -half for middle in point]
    right, moved = (box, shift * 2) if kind == "boxes" else (point, shift)
    wrong = [round(min(max(c + s, 0), drawing.size), 1) for c, s in zip(right, moved, strict=True)]
    verb = "Find" if kind == "boxes" else "Click on"
    because, amiss = (f"It is at {place}, of {drawing.size} pixels." for place in (right, wrong))
    question = f"{verb} the {one.colour} {one.shape}."
    return Asked("place", question, str(right), str(wrong), kind, because, amiss)
