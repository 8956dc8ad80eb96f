"""Procedural scenes of graded difficulty: images whose every fact is known.

A scene is a pure function of a seed and a level, so its caption and its gold answers are exact, there is no end of
them, and a split is a property of the seed alone. The caption names every object in reading order with size, colour,
shape and place, which is enough for a reasoner that never sees the image: no question asks for what it leaves out.
Task texts spell as easy-VQA does ("color", "gray"), because the reference model reads both.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, permutations
from random import Random
from typing import Literal, get_args

from PIL import Image, ImageDraw

Kind = Literal["choice", "number", "boolean", "text"]
SceneSplit = Literal["train", "test", "curate"]
Rgb = tuple[int, int, int]

SIZE = 64
COLOURS: dict[str, Rgb] = {
    "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "black": (0, 0, 0),
    "brown": (165, 42, 42), "gray": (128, 128, 128), "teal": (0, 128, 128),
    "orange": (255, 150, 30), "purple": (130, 40, 180), "pink": (255, 130, 190),
}  # fmt: skip
SHAPES = ("circle", "triangle", "rectangle", "diamond", "star", "cross")
TASKS = ("color", "shape", "exist", "count", "compare", "relation", "digit", "odd")
INK: Rgb = (20, 20, 20)
_GLYPHS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")


@dataclass(frozen=True)
class Level:
    """What makes a level hard; every field moves one way from level 1 to level 5."""

    objects: tuple[int, int]
    radius: tuple[float, float]
    colours: int  # how many of COLOURS, the look-alikes last
    shapes: int
    overlap: float  # share of two radii by which objects may overlap
    clutter: int  # stray lines behind the objects
    noise: float
    jitter: int  # how far a colour strays from its name
    fade: float  # how far an object may sink into the background
    background: int  # darkest background channel
    glyph: int  # pixels per dot of a digit


LEVELS: dict[int, Level] = {
    1: Level((1, 2), (4.5, 16), 8, 3, 0.0, 0, 0.0, 0, 0.0, 228, 4),
    2: Level((2, 4), (5, 12), 8, 4, 0.0, 0, 0.04, 10, 0.0, 215, 3),
    3: Level((3, 6), (4.5, 9.5), 9, 5, 0.0, 2, 0.08, 20, 0.1, 200, 3),
    4: Level((4, 8), (4, 8), 11, 6, 0.15, 4, 0.13, 30, 0.25, 175, 2),
    5: Level((5, 9), (3.5, 7), 11, 6, 0.3, 7, 0.2, 36, 0.45, 150, 2),
}


@dataclass(frozen=True)
class SceneObject:
    """One drawn shape; `colour` is the name it answers to, `rgb` the paint."""

    shape: str
    colour: str
    rgb: Rgb
    x: float
    y: float
    radius: float
    aspect: float = 1.0

    @property
    def size(self) -> str:
        """Size in words."""
        return "small" if self.radius < 6 else "medium" if self.radius < 10 else "large"


@dataclass(frozen=True)
class Digit:
    """A digit of 3 by 5 dots, drawn in ink around (x, y)."""

    value: int
    x: float
    y: float
    dot: int


@dataclass(frozen=True)
class Scene:
    """All that is known of one image; objects are in drawing order, the largest at the back."""

    seed: str
    level: int
    background: Rgb
    objects: tuple[SceneObject, ...]
    digit: Digit | None

    @property
    def id(self) -> str:
        """Group id: every question about this image shares it."""
        return f"scene-{self.seed}-l{self.level}"


@dataclass(frozen=True)
class SceneQuestion:
    """A question with one right answer; for `choice`, options are part of the question and the answer is a letter."""

    scene: str
    task: str
    level: int
    question: str
    answer: str
    kind: Kind
    options: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The question without its options, for callers that list them themselves."""
        return self.question.partition("\n")[0]


# --- making -------------------------------------------------------------------------------------------------------


def make_scene(seed: str | int, level: int) -> Scene:
    """Build the scene of a seed at a level from 1 to 5."""
    if level not in LEVELS:
        raise ValueError(f"level must be one of {sorted(LEVELS)}, got {level!r}")
    rng, rules = Random(f"{seed}:{level}:scene"), LEVELS[level]
    light = max(rules.background, rng.randint(rules.background - 15, 235))
    background = (rng.randint(light, 255), rng.randint(light, 255), rng.randint(light, 255))
    disks: list[tuple[float, float, float]] = []
    digit = None
    if rng.random() < 0.3:
        x, y, _ = _room(rng, disks, 2.9 * rules.glyph, 0.0) or (SIZE / 2, SIZE / 2, 0.0)
        digit = Digit(rng.randint(0, 9), x, y, rules.glyph)
        disks.append((x, y, 2.9 * rules.glyph))
    number = rng.randint(*rules.objects)
    radii = sorted((rng.uniform(*rules.radius) for _ in range(number)), reverse=True)
    objects = []
    for (shape, colour), radius in zip(_kinds(rng, rules, number), radii, strict=True):
        if spot := _room(rng, disks, radius, rules.overlap):
            disks.append(spot)
            rgb = _paint(rng, rules, colour, background)
            objects.append(SceneObject(shape, colour, rgb, *spot, rng.uniform(0.45, 1.0)))
    return Scene(str(seed), level, background, tuple(objects), digit)


def _kinds(rng: Random, rules: Level, number: int) -> list[tuple[str, str]]:
    """Draw (shape, colour) pairs; a third of the scenes have an odd one out, some repeat one kind for counting."""
    shapes, colours = SHAPES[: rules.shapes], list(COLOURS)[: rules.colours]
    pairs = [(rng.choice(shapes), rng.choice(colours)) for _ in range(number)]
    theme = rng.choice(("free", "free", "odd shape", "odd color", "few"))
    if theme == "free" or number < 3:
        return pairs
    (shape, other), (colour, stray) = rng.sample(shapes, 2), rng.sample(colours, 2)
    if theme == "odd shape":
        pairs = [(shape, c) for _, c in pairs[1:]] + [(other, colour)]
    elif theme == "odd color":
        pairs = [(s, colour) for s, _ in pairs[1:]] + [(shape, stray)]
    else:
        pairs = [(rng.choice((shape, other)), rng.choice((colour, stray))) for _ in pairs]
    rng.shuffle(pairs)
    return pairs


def _room(
    rng: Random, disks: Sequence[tuple[float, float, float]], radius: float, overlap: float
) -> tuple[float, float, float] | None:
    """Find a place for a disk, shrinking it a little when the image is full; None when there is no room."""
    for attempt in range(80):
        r = max(3.5, radius * (1 - 0.005 * attempt))
        x, y = rng.uniform(r, SIZE - r), rng.uniform(r, SIZE - r)
        if all(math.hypot(x - a, y - b) >= (r + s) * (1 - overlap) + (overlap == 0) for a, b, s in disks):
            return x, y, r
    return None


def _paint(rng: Random, rules: Level, colour: str, background: Rgb) -> Rgb:
    """Stray from the named colour and fade towards the background, as far as the level allows."""
    fade = rng.uniform(0, rules.fade)
    strayed = (max(0, min(255, c + rng.randint(-rules.jitter, rules.jitter))) for c in COLOURS[colour])
    red, green, blue = (round(c + (b - c) * fade) for c, b in zip(strayed, background, strict=True))
    return red, green, blue


# --- drawing ------------------------------------------------------------------------------------------------------


def render(scene: Scene) -> Image.Image:
    """Draw the scene; edges are crisp at level 1, as in easy-VQA, and smoothed above."""
    rng, rules = Random(f"{scene.seed}:{scene.level}:pixels"), LEVELS[scene.level]
    scale = 1 if scene.level == 1 else 2
    image = Image.new("RGB", (SIZE * scale, SIZE * scale), scene.background)
    draw = ImageDraw.Draw(image)
    for _ in range(rules.clutter):
        ends = [rng.uniform(0, SIZE * scale) for _ in range(4)]
        draw.line(ends, fill=tuple(max(0, c - rng.randint(15, 70)) for c in scene.background), width=scale)
    for item in scene.objects:
        _draw_shape(draw, item, scale)
    if scene.digit is not None:
        _draw_digit(draw, scene.digit, scale)
    image = image.reduce(scale) if scale > 1 else image
    if rules.noise:
        grain = Image.frombytes("RGB", image.size, rng.randbytes(3 * SIZE * SIZE))
        image = Image.blend(image, grain, rules.noise)
    return image


def _draw_shape(draw: ImageDraw.ImageDraw, item: SceneObject, scale: int) -> None:
    """Draw one object inside its disk."""
    x, y, r = item.x * scale, item.y * scale, item.radius * scale
    if item.shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=item.rgb)
    elif item.shape == "rectangle":
        w, h = (r, r * item.aspect) if (item.x + item.y) % 2 < 1 else (r * item.aspect, r)
        draw.rectangle((x - w * 0.9, y - h * 0.9, x + w * 0.9, y + h * 0.9), fill=item.rgb)
    else:
        draw.polygon([(x + r * a, y + r * b) for a, b in _outline(item.shape)], fill=item.rgb)


def _outline(shape: str) -> list[tuple[float, float]]:
    """Corners of a shape of unit radius."""
    if shape == "triangle":
        return [(0, -0.9), (1, 0.8), (-1, 0.8)]
    if shape == "diamond":
        return [(0, -1), (0.75, 0), (0, 1), (-0.75, 0)]
    if shape == "star":
        spokes = ((1.0 if k % 2 == 0 else 0.42, k * math.pi / 5) for k in range(10))
        return [(r * math.sin(a), -r * math.cos(a)) for r, a in spokes]
    arm = 0.3
    quarter = [(-arm, -1.0), (arm, -1.0), (arm, -arm)]
    quarter_turns = ((1, 0), (0, 1), (-1, 0), (0, -1))
    return [(a * cos - b * sin, a * sin + b * cos) for cos, sin in quarter_turns for a, b in quarter]


def _draw_digit(draw: ImageDraw.ImageDraw, digit: Digit, scale: int) -> None:
    """Draw the dots of a digit on whole pixels."""
    dot = digit.dot * scale
    left, top = round(digit.x * scale - 1.5 * dot), round(digit.y * scale - 2.5 * dot)
    for row, bits in enumerate(_GLYPHS[digit.value]):
        for column in range(3):
            if int(bits) & (4 >> column):
                x, y = left + column * dot, top + row * dot
                draw.rectangle((x, y, x + dot - 1, y + dot - 1), fill=INK)


# --- telling ------------------------------------------------------------------------------------------------------


def cell(x: float, y: float) -> tuple[int, int]:
    """Column and row of a point on the 3 by 3 grid that places are named by."""
    return min(2, int(3 * x / SIZE)), min(2, int(3 * y / SIZE))


def place(x: float, y: float) -> str:
    """Name of a place: "top left", "left", "center", …"""
    column, row = cell(x, y)
    return " ".join(word for word in (_ROWS[row], _COLUMNS[column]) if word) or "center"


def caption(scene: Scene) -> str:
    """Describe every object in reading order, then the digit."""
    items = sorted(scene.objects, key=lambda o: (*cell(o.x, o.y)[::-1], o.x, o.y))
    phrases = [f"{_article(o.size)} {o.colour} {o.shape} at the {place(o.x, o.y)}" for o in items]
    sentences = [f"{len(items)} {'shape' if len(items) == 1 else 'shapes'}: {', '.join(phrases)}."] if phrases else []
    if scene.digit is not None:
        sentences.append(f"The digit {scene.digit.value} is at the {place(scene.digit.x, scene.digit.y)}.")
    return " ".join(sentences)


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _plural(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"


# --- asking -------------------------------------------------------------------------------------------------------

_Asked = tuple[str, str, str, Kind, tuple[str, ...]]  # task, question, answer, kind, domain of wrong options


def questions(scene: Scene) -> list[SceneQuestion]:
    """Every question the scene supports, in a fixed order; about one in eight is put as a choice."""
    rng, rules = Random(f"{scene.seed}:{scene.level}:questions"), LEVELS[scene.level]
    colours, shapes = tuple(COLOURS)[: rules.colours], SHAPES[: rules.shapes]
    asked = [
        *_ask_names(scene, rng, colours, shapes), *_ask_exist(scene, rng, colours, shapes),
        *_ask_count(scene, rng, colours, shapes), *_ask_relation(scene, rng), *_ask_odd(scene, colours, shapes),
    ]  # fmt: skip
    if scene.digit is not None:
        asked.append(("digit", "What digit is in the image?", str(scene.digit.value), "number", tuple("0123456789")))
    return [_choice(scene, rng, a) if a[4] and rng.random() < 0.125 else _plain(scene, a) for a in asked]


def _plain(scene: Scene, asked: _Asked) -> SceneQuestion:
    task, text, answer, kind, _ = asked
    return SceneQuestion(scene.id, task, scene.level, text, answer, kind)


def _choice(scene: Scene, rng: Random, asked: _Asked) -> SceneQuestion:
    """Put a question as a choice: options on a second line, "A) red B) blue", and a letter for an answer."""
    task, text, answer, _, domain = asked
    wrong = [word for word in domain if word != answer]
    options = [answer, *rng.sample(wrong, min(3, len(wrong)))]
    rng.shuffle(options)
    listed = " ".join(f"{'ABCD'[k]}) {word}" for k, word in enumerate(options))
    gold = "ABCD"[options.index(answer)]
    return SceneQuestion(scene.id, task, scene.level, f"{text}\n{listed}", gold, "choice", tuple(options))


def _named(scene: Scene) -> list[tuple[str, SceneObject]]:
    """Objects with a name that fits no other: "the red circle"."""
    names = Counter((o.colour, o.shape) for o in scene.objects)
    return [(f"the {o.colour} {o.shape}", o) for o in scene.objects if names[o.colour, o.shape] == 1]


def _ask_names(scene: Scene, rng: Random, colours: tuple[str, ...], shapes: tuple[str, ...]) -> list[_Asked]:
    """Colour and shape of objects that one other property singles out."""
    asked: list[_Asked] = []
    by_shape, by_colour = Counter(o.shape for o in scene.objects), Counter(o.colour for o in scene.objects)
    by_cell = Counter(cell(o.x, o.y) for o in scene.objects)
    for o in rng.sample(scene.objects, min(3, len(scene.objects))):
        where = f"at the {place(o.x, o.y)}" if by_cell[cell(o.x, o.y)] == 1 and len(scene.objects) > 1 else ""
        lone = len(scene.objects) == 1
        if lone or by_shape[o.shape] == 1 or where:
            noun = "shape" if lone and rng.random() < 0.5 else o.shape if by_shape[o.shape] == 1 else f"shape {where}"
            text = rng.choice((f"What color is the {noun}?", f"What is the color of the {noun}?"))
            asked.append(("color", text, o.colour, "text", colours))
        if lone or by_colour[o.colour] == 1 or where:
            noun = f"{o.colour} shape" if by_colour[o.colour] == 1 else f"shape {where}"
            text = f"What is the {noun}?"
            if lone and rng.random() < 0.5:
                text = rng.choice(("What shape is in the image?", "What shape is present?"))
            asked.append(("shape", text, o.shape, "text", shapes))
    return asked


def _ask_exist(scene: Scene, rng: Random, colours: tuple[str, ...], shapes: tuple[str, ...]) -> list[_Asked]:
    """Is there such a shape: the one that is there, and one that shares half of its name."""
    if not scene.objects:
        return []
    there, pairs = rng.choice(scene.objects), {(o.colour, o.shape) for o in scene.objects}
    near = [(c, there.shape) for c in colours] + [(there.colour, s) for s in shapes]
    colour, shape = rng.choice([pair for pair in near if pair not in pairs])
    asked: list[_Asked] = []
    for c, s, gold in ((there.colour, there.shape, "yes"), (colour, shape, "no")):
        form = rng.choice(("Is there {} in the image?", "Does the image contain {}?"))
        asked.append(("exist", form.format(f"{_article(c)} {s}"), gold, "boolean", ()))
    return asked


def _ask_count(scene: Scene, rng: Random, colours: tuple[str, ...], shapes: tuple[str, ...]) -> list[_Asked]:
    """How many in all and of one kind, and which of two kinds has more."""
    if not scene.objects:
        return []
    numbers = tuple("123456789")
    one = rng.choice(scene.objects)
    same_shape = sum(o.shape == one.shape for o in scene.objects)
    same_colour = sum(o.colour == one.colour for o in scene.objects)
    left, right = one.shape, rng.choice([s for s in shapes if s != one.shape])
    left, right = (left, right) if rng.random() < 0.5 else (right, left)
    gap = sum((o.shape == left) - (o.shape == right) for o in scene.objects)
    verdict = "more" if gap > 0 else "fewer" if gap < 0 else "equal"
    text = f"Compare {_plural(left)} with {_plural(right)}: are there more, fewer or an equal number?"
    return [
        ("count", "How many shapes are there?", str(len(scene.objects)), "number", numbers),
        ("count", f"How many {_plural(one.shape)} are there?", str(same_shape), "number", numbers),
        ("count", f"How many {one.colour} shapes are there?", str(same_colour), "number", numbers),
        ("compare", text, verdict, "text", ("more", "fewer", "equal")),
    ]


def _ask_relation(scene: Scene, rng: Random) -> list[_Asked]:
    """Relations between objects in different columns or rows of the grid, so that the caption settles them."""
    asked: list[_Asked] = []
    pairs = list(permutations(_named(scene), 2))
    for (a, first), (b, second) in rng.sample(pairs, min(3, len(pairs))):
        (c1, r1), (c2, r2) = cell(first.x, first.y), cell(second.x, second.y)
        words = [("left of", "right of", c1 < c2)] * (c1 != c2) + [("above", "below", r1 < r2)] * (r1 != r2)
        if not words:
            continue
        low, high, is_low = rng.choice(words)
        if rng.random() < 0.5:
            claim = rng.random() < 0.5
            text = f"Is {a} {low if claim else high} {b}?"
            asked.append(("relation", text, "yes" if claim == is_low else "no", "boolean", ()))
        else:
            low, high = low.removesuffix(" of"), high.removesuffix(" of")
            text = f"Where is {a} from {b}, {low} or {high}?"
            asked.append(("relation", text, low if is_low else high, "text", (low, high)))
    return asked


def _ask_odd(scene: Scene, colours: tuple[str, ...], shapes: tuple[str, ...]) -> list[_Asked]:
    """The odd one out, where one shape (or colour) appears once and a single other one the rest of the times."""
    asked: list[_Asked] = []
    for word, domain, seen in (
        ("shape", shapes, Counter(o.shape for o in scene.objects)),
        ("color", colours, Counter(o.colour for o in scene.objects)),
    ):
        if len(seen) == 2 and min(seen.values()) == 1 and max(seen.values()) >= 2:
            odd = min(seen, key=lambda name: seen[name])
            asked.append(("odd", f"Which {word} is the odd one out?", odd, "text", domain))
    return asked


# --- splits -------------------------------------------------------------------------------------------------------


def split_of(seed: str | int) -> SceneSplit:
    """Split of a seed by its hash: 80 % train, 10 % test, 10 % curate, whatever else is drawn."""
    bucket = int.from_bytes(hashlib.sha256(f"curate-scenes-v1:{seed}".encode()).digest()[:4], "big") % 10
    return "test" if bucket == 0 else "curate" if bucket == 1 else "train"


def iter_scenes(
    split: SceneSplit, n: int, seed: str | int = 0, levels: Sequence[int] = (1, 2, 3, 4, 5)
) -> Iterator[Scene]:
    """Yield `n` scenes of a split, going round the levels."""
    if split not in get_args(SceneSplit):
        raise ValueError(f"split must be one of {get_args(SceneSplit)}, got {split!r}")
    if n < 0 or not levels or any(level not in LEVELS for level in levels):
        raise ValueError(f"need n >= 0 and levels among {sorted(LEVELS)}, got n={n} and levels={list(levels)}")
    seeds = (s for s in (f"{seed}-{i}" for i in count()) if split_of(s) == split)
    for index in range(n):
        yield make_scene(next(seeds), levels[index % len(levels)])
