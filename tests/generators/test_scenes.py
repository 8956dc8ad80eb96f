"""Scenes are pure functions of seed and level, and every gold answer follows from what was drawn."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.scenes import (
    COLOURS,
    LEVELS,
    SHAPES,
    SIZE,
    TASKS,
    Digit,
    Scene,
    SceneObject,
    SceneQuestion,
    caption,
    cell,
    iter_scenes,
    make_scene,
    place,
    questions,
    render,
    split_of,
)

scenes = st.builds(make_scene, st.integers(0, 10**9), st.sampled_from(sorted(LEVELS)))
_COLOUR, _SHAPE = "|".join(COLOURS), "|".join(SHAPES)
_TOLD = re.compile(rf"(small|medium|large) ({_COLOUR}) ({_SHAPE}) at the ([a-z ]+?)(?=[,.])")


def _gold(q: SceneQuestion) -> str:
    """The answer in words, whether it was put as a choice or not."""
    return q.options["ABCD".index(q.answer)] if q.kind == "choice" else q.answer


def _fits(scene: Scene, text: str) -> list[SceneObject]:
    """Objects that words such as "red circle", "red shape" or "shape at the top left" fit, read from the drawing."""
    words = text.split()
    where = text.split(" at the ")[1] if " at the " in text else None
    return [
        o
        for o in scene.objects
        if (not set(words) & set(COLOURS) or o.colour in words)
        and (not set(words) & set(SHAPES) or o.shape in words)
        and (where is None or place(o.x, o.y) == where)
    ]


def _singular(text: str) -> str:
    return re.sub(rf"\b({_SHAPE})(?:es|s)\b", r"\1", text)


def _expected(scene: Scene, q: SceneQuestion) -> str:
    """Answer a question again from the scene alone."""
    text = q.stem.rstrip("?")
    again = {
        "color": lambda: _only(_fits(scene, text.removeprefix("What color is"))).colour,
        "shape": lambda: _only(_fits(scene, text.removeprefix("What shape is"))).shape,
        "exist": lambda: "yes" if _fits(scene, text) else "no",
        "count": lambda: str(len(_fits(scene, _singular(text)))),
        "compare": lambda: _compared(scene, text),
        "digit": lambda: str(scene.digit.value) if scene.digit else "",
        "odd": lambda: _odd(scene, "shape" if "shape" in text else "colour"),
        "relation": lambda: _relation(scene, text),
    }
    return again[q.task]()


def _only(objects: list[SceneObject]) -> SceneObject:
    (one,) = objects
    return one


def _compared(scene: Scene, text: str) -> str:
    left, right = re.findall(_SHAPE, text)
    a, b = (sum(o.shape == s for o in scene.objects) for s in (left, right))
    return "more" if a > b else "fewer" if a < b else "equal"


def _odd(scene: Scene, word: str) -> str:
    (_, often), (odd, once) = Counter(getattr(o, word) for o in scene.objects).most_common()
    assert often > once == 1
    return str(odd)


def _relation(scene: Scene, text: str) -> str:
    names = re.findall(rf"the ({_COLOUR}) ({_SHAPE})", text)
    (a,), (b,) = (_fits(scene, f"{c} {s}") for c, s in names)
    holds = {"left": a.x < b.x, "right": a.x > b.x, "above": a.y < b.y, "below": a.y > b.y}
    if text.startswith("Is "):
        (word,) = [w for w in holds if re.search(rf"\b{w}\b", text)]
        return "yes" if holds[word] else "no"
    offered = text.rsplit(", ", maxsplit=1)[1].split(" or ")
    (word,) = [w for w in offered if holds[w]]
    return word


@settings(max_examples=150, deadline=None)
@given(scenes)
def test_every_gold_follows_from_the_drawing(scene: Scene) -> None:
    for q in questions(scene):
        assert _gold(q) == _expected(scene, q), q
        assert (q.task in TASKS, q.level, q.scene) == (True, scene.level, scene.id)


@settings(max_examples=150, deadline=None)
@given(scenes)
def test_kinds_say_what_answers_look_like(scene: Scene) -> None:
    for q in questions(scene):
        if q.kind == "choice":
            assert q.question.split("\n")[1] == " ".join(
                f"{letter}) {option}" for letter, option in zip("ABCD", q.options, strict=False)
            )
            assert len(set(q.options)) == len(q.options) >= 2
            assert q.answer in "ABCD"[: len(q.options)]
        else:
            assert q.options == ()
            assert (q.kind == "boolean") == (q.answer in ("yes", "no"))
            assert (q.kind == "number") == q.answer.isdigit()


@settings(max_examples=100, deadline=None)
@given(scenes)
def test_the_caption_tells_every_object_and_nothing_else(scene: Scene) -> None:
    told = Counter(_TOLD.findall(caption(scene)))
    assert told == Counter((o.size, o.colour, o.shape, place(o.x, o.y)) for o in scene.objects)
    digits = re.findall(r"The digit (\d) is at the ([a-z ]+)\.", caption(scene))
    assert digits == ([] if scene.digit is None else [(str(scene.digit.value), place(scene.digit.x, scene.digit.y))])


@settings(max_examples=60, deadline=None)
@given(scenes)
def test_same_seed_same_bytes(scene: Scene) -> None:
    again = make_scene(scene.seed, scene.level)
    assert again == scene
    assert render(again).tobytes() == render(scene).tobytes()
    assert questions(again) == questions(scene)
    image = render(scene)
    assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))


@settings(max_examples=60, deadline=None)
@given(scenes)
def test_objects_stay_inside_and_keep_their_distance(scene: Scene) -> None:
    for o in scene.objects:
        assert o.radius <= min(o.x, o.y, SIZE - o.x, SIZE - o.y) + 1e-9
    assert len(scene.objects) <= LEVELS[scene.level].objects[1]


@pytest.mark.parametrize(("shape", "digit"), [(s, None) for s in SHAPES] + [(None, d) for d in range(10)])
def test_each_shape_and_digit_has_pixels_of_its_own(shape: str | None, digit: int | None) -> None:
    bare = replace(make_scene("bare", 1), objects=(), digit=None)
    drawn = [render(replace(bare, objects=(SceneObject(s, "red", (255, 0, 0), 32, 32, 12),))).tobytes() for s in SHAPES]
    drawn += [render(replace(bare, digit=Digit(d, 32, 32, 4))).tobytes() for d in range(10)]
    mine = SHAPES.index(shape) if shape is not None else len(SHAPES) + (digit or 0)
    assert drawn.count(drawn[mine]) == 1
    assert drawn[mine] != render(bare).tobytes()


def test_every_task_and_kind_appears_at_every_level() -> None:
    for level in LEVELS:
        seen = [q for scene in iter_scenes("curate", 150, "coverage", [level]) for q in questions(scene)]
        assert {q.kind for q in seen} == {"choice", "number", "boolean", "text"}
        assert {q.task for q in seen} == (set(TASKS) if level > 1 else set(TASKS) - {"odd"})


def test_levels_grow_harder() -> None:
    def mean_objects(level: int) -> float:
        return sum(len(make_scene(seed, level).objects) for seed in range(100)) / 100

    def mean_radius(level: int) -> float:
        radii = [o.radius for seed in range(100) for o in make_scene(seed, level).objects]
        return sum(radii) / len(radii)

    for easy, hard in pairwise(sorted(LEVELS)):
        assert mean_objects(easy) < mean_objects(hard)
        assert mean_radius(easy) > mean_radius(hard)
        a, b = LEVELS[easy], LEVELS[hard]
        for field in ("colours", "shapes", "overlap", "clutter", "noise", "jitter", "fade"):
            assert getattr(a, field) <= getattr(b, field)
        assert a.background >= b.background and a.glyph >= b.glyph


def test_splits_share_no_scene() -> None:
    taken = {split: {s.seed for s in iter_scenes(split, 60, "splits")} for split in ("train", "test", "curate")}
    for split, seeds in taken.items():
        assert len(seeds) == 60
        assert {split_of(seed) for seed in seeds} == {split}
    images = [render(s).tobytes() for split in taken for s in iter_scenes(split, 60, "splits")]
    assert len(set(images)) == 180


def test_split_of_a_seed_is_pinned() -> None:
    pinned = "train curate train curate train train train train curate train train train"
    assert " ".join(split_of(seed) for seed in range(12)) == pinned
    assert {split_of(seed) for seed in range(200)} == {"train", "test", "curate"}


def test_grid_names() -> None:
    assert [place(x, y) for y in (1, 32, 63) for x in (1, 32, 63)] == [
        *("top left", "top", "top right"),
        *("left", "center", "right"),
        *("bottom left", "bottom", "bottom right"),
    ]
    assert cell(SIZE, SIZE) == (2, 2)


@pytest.mark.parametrize("level", [0, 6, -1])
def test_an_unknown_level_raises(level: int) -> None:
    with pytest.raises(ValueError, match="level"):
        make_scene(0, level)
    with pytest.raises(ValueError, match="level"):
        next(iter_scenes("train", 1, 0, [level]))


def test_bad_arguments_raise() -> None:
    with pytest.raises(ValueError, match="split"):
        next(iter_scenes("validation", 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n >= 0"):
        next(iter_scenes("train", -1))
    with pytest.raises(ValueError, match="levels"):
        next(iter_scenes("train", 1, 0, []))
    assert list(iter_scenes("train", 0)) == []
