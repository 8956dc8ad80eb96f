"""A row of a procedural task: one layout for all of them, with all that published datasets carry beside a question.

What an image shows is known, so every row about images has a true caption and a false one, a rationale that leads to the
answer and one that leads astray. A source takes of them what its dataset has, under its names (`pipelines.sources.tasks`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from random import Random
from typing import Any, NamedTuple

import polars as pl

from generators.scenes import COLOURS, LEVELS, SHAPES, SIZE, Scene, SceneObject, caption, iter_scenes, questions, render

TASK = pl.Schema(
    {
        "id": pl.String(),
        "task": pl.String(),
        "topic": pl.String(),
        "level": pl.Int64(),
        "image": pl.Binary(),
        "images": pl.List(pl.Binary()),
        "width": pl.Int64(),
        "height": pl.Int64(),
        "question": pl.String(),
        "answer": pl.String(),
        "kind": pl.String(),
        "options": pl.List(pl.String()),
        "letter": pl.String(),
        "wrong_answer": pl.String(),
        "wrong_letter": pl.String(),
        "caption": pl.String(),
        "false_caption": pl.String(),
        "rationale": pl.String(),
        "wrong_rationale": pl.String(),
        "score": pl.Float64(),
        "wrong_score": pl.Float64(),
        "turns": pl.List(pl.Struct({"question": pl.String(), "answer": pl.String()})),
        "box": pl.List(pl.Float64()),
        "point": pl.List(pl.Float64()),
        "spoiled": pl.String(),
    }
)
"""The columns of every task, null where they do not apply. `docs/sources.md` says what each holds."""

Row = dict[str, Any]


class Drawing(NamedTuple):
    """How scenes are drawn: pixels of a side, and their levels, in turn."""

    size: int = SIZE
    levels: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Asked:
    """A question with its right answer and a wrong one. `shown` and `falsely` are what the image shows, and does not;
    `because` is what of it decides, and `amiss` what would lead to the wrong answer."""

    topic: str
    question: str
    answer: str
    wrong: str
    kind: str
    because: str
    amiss: str
    options: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def scenes(n: int, seed: str | int, drawing: Drawing, *, apart: bool = False) -> Iterator[Scene]:
    """`n` scenes of the `curate` split without a digit; `apart`: colour and shape each name their largest object."""
    found = (
        scene
        for scene in iter_scenes("curate", 400 * n, f"tasks-{seed}", drawing.levels)
        if scene.digit is None and scene.objects and not (apart and _alike(scene))
    )
    yield from (scene for scene, _ in zip(found, range(n), strict=False))


def _alike(scene: Scene) -> bool:
    """Whether another object shares the largest's colour or shape, or is what that is altered to; at level 1: if any is."""
    if scene.level == 1:
        return len(scene.objects) > 1
    one, other = scene.objects[0], altered(scene).objects[0]
    return any(
        one.colour == beside.colour
        or one.shape == beside.shape
        or (other.colour, other.shape) == (beside.colour, beside.shape)
        for beside in scene.objects[1:]
    )


def altered(scene: Scene) -> Scene:
    """The scene as it is not: its largest object has another colour and another shape."""
    rng, rules, one = Random(f"{scene.id}:altered"), LEVELS[scene.level], scene.objects[0]
    colours = [name for name in list(COLOURS)[: rules.colours] if name != one.colour]
    shapes = [name for name in SHAPES[: rules.shapes] if name != one.shape]
    other = replace(one, colour=rng.choice(colours), shape=rng.choice(shapes))
    return replace(scene, objects=(other, *scene.objects[1:]))


def scene_row(task: str, number: int, scene: Scene, asked: Asked, drawing: Drawing) -> Row:
    """A row about one image."""
    box, point = place_of(scene.objects[0], drawing.size)
    turns = [{"question": q.stem, "answer": q.answer} for q in questions(scene) if q.kind != "choice"][:3]
    shown = {"box": box, "point": point, "turns": turns, "level": scene.level}
    return row(task, number, [scene], asked, drawing) | shown | dict(asked.more)


def row(task: str, number: int, shown: Sequence[Scene], asked: Asked, drawing: Drawing) -> Row:
    """A row about these images, or none. Letters are those of its options."""
    rng = Random(f"{task}:{number}:{asked.question}:score")
    captions, false = described(shown), described([altered(scene) for scene in shown[:1]] + list(shown[1:]))
    images = [png(scene, drawing.size) for scene in shown]
    found: Row = dict.fromkeys(TASK)
    found |= {
        "id": f"{task}-{number:04d}",
        "task": task,
        "topic": asked.topic,
        "question": asked.question,
        "answer": asked.answer,
        "wrong_answer": asked.wrong,
        "kind": asked.kind,
        "caption": captions,
        "false_caption": false,
        "rationale": reasoned(captions, asked.because, asked.answer),
        "wrong_rationale": reasoned(false, asked.amiss, asked.wrong),
        "score": 7 + round(3 * rng.random(), 1),
        "wrong_score": round(4 * rng.random(), 1),
        "images": images or None,
    }
    if images:
        found |= {"image": images[0], "width": drawing.size, "height": drawing.size}
    if asked.options:
        letters = {option: chr(65 + place) for place, option in enumerate(asked.options)}
        found |= {
            "options": list(asked.options),
            "letter": letters[asked.answer],
            "wrong_letter": letters[asked.wrong],
        }
    return found | dict(asked.more)


def described(shown: Sequence[Scene]) -> str | None:
    """What the images show, each after its number where there are several."""
    if len(shown) < 2:
        return caption(shown[0]) if shown else None
    return " ".join(f"Image {number}: {caption(scene)}" for number, scene in enumerate(shown, 1))


def reasoned(seen: str | None, because: str, answer: str) -> str:
    """A rationale of three sentences: what is seen, what of it decides, and the answer."""
    whole = f"The image shows {seen}" if seen and not seen.startswith("Image 1") else seen
    return " ".join([*([whole] if whole else []), because, f"So the answer is {answer.rstrip('.')}."])


def png(scene: Scene, size: int) -> bytes:
    """The image as a file, of so many pixels a side."""
    file, image = BytesIO(), render(scene)
    (image if size == SIZE else image.resize((size, size), 0)).save(file, "PNG")
    return file.getvalue()


def place_of(item: SceneObject, size: int) -> tuple[list[float], list[float]]:
    """The box of an object, as x1, y1, x2, y2, and its middle, in pixels of an image of that size."""
    scale, reach = size / SIZE, item.radius
    corners = (item.x - reach, item.y - reach, item.x + reach, item.y + reach)
    return [round(c * scale, 1) for c in corners], [round(item.x * scale, 1), round(item.y * scale, 1)]
