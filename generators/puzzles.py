"""Questions about a scene that take two steps: see what is there, then count, compare or search among it.

The reference model learns the questions of `generators.scenes` and never sees one of these, so what a student gains on them
it owes to what it was trained on later: the recipe `cold_start` asks them. `generators.thoughts` reasons them out.
"""

from collections import Counter
from random import Random

from generators.scenes import LEVELS, SHAPES, Kind, Scene, SceneQuestion, cell

PUZZLES = ("either", "gap", "most", "alike", "extreme")
_ENDS = (("leftmost", 0, min), ("rightmost", 0, max), ("highest", 1, min), ("lowest", 1, max))


def puzzles(scene: Scene) -> list[SceneQuestion]:
    """Every puzzle that the scene supports, in a fixed order; each has one right answer."""
    rng, rules = Random(f"{scene.seed}:{scene.level}:puzzles"), LEVELS[scene.level]
    if len(scene.objects) < 2:
        return []
    shapes = SHAPES[: rules.shapes]
    asked = [
        _either(scene, rng, shapes), _gap(scene, rng, shapes), *_most(scene, rng), _alike(scene, rng),
        *_extreme(scene, rng),
    ]  # fmt: skip
    return [SceneQuestion(scene.id, task, scene.level, text, answer, kind) for task, text, answer, kind in asked]


_Asked = tuple[str, str, str, Kind]


def _plural(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"


def _either(scene: Scene, rng: Random, shapes: tuple[str, ...]) -> _Asked:
    """How many have a colour or a shape: those with both count once."""
    colour = rng.choice(scene.objects).colour
    shape = rng.choice((rng.choice(scene.objects).shape, rng.choice(shapes)))
    number = sum(o.colour == colour or o.shape == shape for o in scene.objects)
    return "either", f"How many shapes are either {colour} or {_plural(shape)}?", str(number), "number"


def _gap(scene: Scene, rng: Random, shapes: tuple[str, ...]) -> _Asked:
    """By how much one kind outnumbers another."""
    seen = Counter(o.shape for o in scene.objects)
    one, other = sorted(rng.sample(shapes, 2), key=lambda shape: -seen[shape])
    text = f"How many more {_plural(one)} than {_plural(other)} are there?"
    return "gap", text, str(seen[one] - seen[other]), "number"


def _most(scene: Scene, rng: Random) -> list[_Asked]:
    """The colour or the shape that more objects have than any other."""
    word = rng.choice(("color", "shape"))
    seen = Counter(o.colour if word == "color" else o.shape for o in scene.objects).most_common(2)
    if len(seen) == 2 and seen[0][1] == seen[1][1]:
        return []
    return [("most", f"Which {word} is there most often?", seen[0][0], "text")]


def _alike(scene: Scene, rng: Random) -> _Asked:
    """Whether two objects share their colour, or their shape."""
    word = rng.choice(("color", "shape"))
    seen = {o.colour if word == "color" else o.shape for o in scene.objects}
    return "alike", f"Is any {word} there twice?", "yes" if len(seen) < len(scene.objects) else "no", "boolean"


def _extreme(scene: Scene, rng: Random) -> list[_Asked]:
    """The one object in the first or the last column, or row, that holds any."""
    for end, axis, pick in rng.sample(_ENDS, len(_ENDS)):
        at = [cell(o.x, o.y)[axis] for o in scene.objects]
        if at.count(pick(at)) == 1:
            found = scene.objects[at.index(pick(at))]
            if rng.random() < 0.5:
                return [("extreme", f"What color is the {end} shape?", found.colour, "text")]
            return [("extreme", f"What is the {end} shape?", found.shape, "text")]
    return []
