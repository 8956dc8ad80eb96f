"""Boxes and points: spaces, overlaps, assignments. Corners are continuous: a box of 0–1 has area 1."""

from collections.abc import Sequence
from itertools import pairwise

from schemas.answer import Coord

Xyxy = tuple[float, float, float, float]


class SpaceError(ValueError):
    """Coordinates of one space cannot be converted to the other, because a size is not known."""


def scale_between(source: Coord, target: Coord) -> tuple[float, float]:
    """What to multiply x and y of `source` by to get `target`'s. Two pixel spaces are taken as one unless both say sizes."""
    if source.space == target.space and (source.space != "pixel" or _size(source) is None or _size(target) is None):
        return 1.0, 1.0
    if _size(source) == _size(target) and source.space == target.space:
        return 1.0, 1.0
    (ax, ay), (bx, by) = _unit(source, target), _unit(target, source)
    return bx / ax, by / ay


def _size(coord: Coord) -> tuple[float, float] | None:
    return (coord.width, coord.height) if coord.width and coord.height else None


def _unit(coord: Coord, other: Coord) -> tuple[float, float]:
    """How many units of `coord` the image is wide and high."""
    if coord.space == "norm1":
        return 1.0, 1.0
    if coord.space == "norm1000":
        return 1000.0, 1000.0
    size = _size(coord) or (_size(other) if other.space != "pixel" else None)
    if size is None:
        raise SpaceError(f"pixels cannot be converted to {other.space} without the image's size")
    return size


def scaled(box: Sequence[float], scale: tuple[float, float]) -> Xyxy:
    """A box times a scale."""
    return box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]


def area(box: Xyxy) -> float:
    """0 for a box whose corners are swapped."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Xyxy, b: Xyxy) -> float:
    """Intersection over union of two boxes, in [0, 1]; 0 where either has no area."""
    both = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    either = area(a) + area(b) - both
    return min(1.0, both / either) if both > 0 and either > 0 else 0.0


def giou(a: Xyxy, b: Xyxy) -> float:
    """Generalised IoU, in [−1, 1] (arXiv 1902.09630, algorithm 1)."""
    hull = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    both = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    either = area(a) + area(b) - both
    return iou(a, b) - (hull - either) / hull if hull > 0 else 0.0


def union_iou(a: Sequence[Xyxy], b: Sequence[Xyxy]) -> float:
    """IoU of two unions of boxes, exact: strip by strip between the sides of all boxes."""
    xs = sorted({x for box in (*a, *b) for x in (box[0], box[2])})
    both = either = 0.0
    for left, right in pairwise(xs):
        mine, theirs = (
            _covered([(y1, y2) for x1, y1, x2, y2 in boxes if x1 <= left and x2 >= right]) for boxes in (a, b)
        )
        shared = _length(_shared(mine, theirs))
        both += (right - left) * shared
        either += (right - left) * (_length(mine) + _length(theirs) - shared)
    return both / either if either > 0 else 0.0


def _covered(stretches: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The union of stretches, as stretches that do not touch, in order. One whose ends are swapped covers nothing."""
    found: list[tuple[float, float]] = []
    for low, high in sorted(stretch for stretch in stretches if stretch[0] < stretch[1]):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _shared(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What two unions, each as `_covered` gives it, have in common."""
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low < high:
            found.append((low, high))
        i, j = (i + 1, j) if a[i][1] < b[j][1] else (i, j + 1)
    return found


def _length(stretches: Sequence[tuple[float, float]]) -> float:
    return sum(high - low for low, high in stretches)


def enlarged(box: Xyxy, factor: float) -> Xyxy:
    """The box grown about its centre."""
    dx, dy = (box[2] - box[0]) * (factor - 1) / 2, (box[3] - box[1]) * (factor - 1) / 2
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def contains(box: Xyxy, point: tuple[float, float]) -> bool:
    """Whether the point is in the box, its edge included."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def best_pairs(gains: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """The one-to-one assignment of rows to columns with the largest sum (Hungarian method, scipy)."""
    if not gains or not gains[0]:
        return []
    if len(gains) == 1:
        return [(0, max(range(len(gains[0])), key=lambda j: gains[0][j]))]
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment([list(row) for row in gains], maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]
