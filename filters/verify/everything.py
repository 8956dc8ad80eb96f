"""Answers that name everything at once. A verifier that pays for one of them can be played without looking.

An answer of which the gold is half or more is not tried: where the target fills the image, the whole image is right.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from filters.verify.geometry import area, union_iou
from filters.verify.kinds.mask import unpacked
from schemas.answer import (
    Answer,
    BooleanAnswer,
    Box,
    BoxesAnswer,
    ChoiceAnswer,
    Coord,
    Frame,
    MaskAnswer,
    Point,
    PointsAnswer,
    SpansAnswer,
    TrackAnswer,
)

MOST_SHARE = 0.5
"""Up to here of the whole may be gold; IoU of the gold and the whole is this share, and 0.5 the IoU that usually counts."""
_LISTED = frozenset(("number", "expression", "text", "set"))
_GRID = 8


def options_at_once(gold: ChoiceAnswer, options: Sequence[str]) -> list[str]:
    """All letters and all texts; none where the gold is all of them."""
    if not options or len(gold.letters) == len(options):
        return []
    return [", ".join(chr(ord("A") + i) for i in range(len(options))), ", ".join(options)]


def whole(gold: Answer, kind: str) -> Answer | None:
    """The answer of the gold's kind that covers the whole image or video; None where there is none, or no size is known.

    Boxes that a point has to hit (`boxes:point_in`) are not covered: a box stands for its centre there.
    """
    name, _, metric = kind.partition(":")
    if name != gold.kind or metric == "point_in":
        return None
    if isinstance(gold, SpansAnswer):
        return _whole_time(gold)
    if isinstance(gold, MaskAnswer):
        return _whole_mask(gold)
    if not isinstance(gold, BoxesAnswer | PointsAnswer | TrackAnswer) or (size := _size(gold.coord)) is None:
        return None
    return _whole_image(gold, size)


def strangers_too(kind: str, stated: str, strangers: Sequence[str]) -> list[str]:
    """The gold in a list with answers to other questions, for kinds whose answers are words and values."""
    return [", ".join([stated, *strangers])] if kind in _LISTED and len(strangers) > 1 else []


def both_truths(gold: Answer) -> list[str]:
    """Yes and no."""
    return ["yes or no"] if isinstance(gold, BooleanAnswer) else []


def _whole_image(gold: BoxesAnswer | PointsAnswer | TrackAnswer, size: tuple[float, float]) -> Answer | None:
    width, height = size
    corners = (0.0, 0.0, width, height)
    if isinstance(gold, PointsAnswer):
        grid = [(x + 0.5, y + 0.5) for x in range(_GRID) for y in range(_GRID)]
        points = tuple(Point(xy=(x * width / _GRID, y * height / _GRID)) for x, y in grid)
        return gold.model_copy(update={"points": points}) if len(gold.points) < MOST_SHARE * len(points) else None
    if isinstance(gold, TrackAnswer):
        share = sum(area(frame.xyxy) for frame in gold.frames) / len(gold.frames) / (width * height)
        frames = tuple(Frame(t=frame.t, xyxy=corners) for frame in gold.frames)
        return gold.model_copy(update={"frames": frames}) if share < MOST_SHARE else None
    if union_iou([box.xyxy for box in gold.boxes], [corners]) >= MOST_SHARE:
        return None
    label = gold.boxes[0].label if gold.boxes else None
    return gold.model_copy(update={"boxes": (Box(xyxy=corners, label=label),)})


def _whole_time(gold: SpansAnswer) -> Answer | None:
    if gold.duration is None:
        return None
    edges = sorted({edge for span in gold.spans for edge in span})
    inside = [b - a for a, b in pairwise(edges) if any(s <= a and e >= b for s, e in gold.spans)]
    if sum(inside) >= MOST_SHARE * gold.duration:
        return None
    return SpansAnswer(raw=f"[0, {gold.duration:g}]", spans=((0.0, gold.duration),), duration=gold.duration)


def _whole_mask(gold: MaskAnswer) -> Answer | None:
    if gold.size is None:
        return None
    height, width = gold.size
    if _filled(gold) >= MOST_SHARE * height * width:
        return None
    counts = (0, height * width)
    raw = f'{{"size": [{height}, {width}], "counts": [0, {height * width}]}}'
    return MaskAnswer(raw=raw, size=gold.size, counts=counts)


def _filled(gold: MaskAnswer) -> float:
    """Pixels of a mask: of run lengths exactly, of polygons by their areas (overlaps count twice)."""
    if gold.counts is not None:
        runs: Any = unpacked(gold.counts) if isinstance(gold.counts, str) else gold.counts
        return float(sum(runs[1::2])) if runs else 0.0
    return sum(_polygon(ring) for ring in gold.polygons)


def _polygon(ring: Sequence[float]) -> float:
    corners = list(zip(ring[::2], ring[1::2], strict=True))
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*corners, corners[0]]))) / 2


def _size(coord: Coord) -> tuple[float, float] | None:
    if coord.space == "norm1":
        return 1.0, 1.0
    if coord.space == "norm1000":
        return 1000.0, 1000.0
    return (coord.width, coord.height) if coord.width and coord.height else None
