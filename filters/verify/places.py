"""Reads boxes and points from what models write: JSON, Python lists, `(x1,y1),(x2,y2)`, box tokens."""

import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pydantic import Field

from filters.verify.kind import Params
from filters.verify.lead_in import left_of
from filters.verify.literal import NotLiteralError, read_literal, unfenced
from filters.verify.normalise import unprefixed, words
from schemas.answer import Box, Coord, Point, Space

MOST = 300
"""More boxes or points than this are no answer."""
_EMPTY = frozenset(("none", "[]", "null", "no box", "no boxes", "no object", "no objects", "not present", "absent"))
_BOX_KEYS = ("bbox_2d", "bbox", "box", "box_2d", "position", "xyxy", "bounding_box", "coordinates", "boxes")
_POINT_KEYS = ("point_2d", "point", "coordinate", "xy", "position", "coordinates", "points", "click")
_LIST_KEYS = ("boxes", "objects", "detections", "bboxes", "points", "answer", "results")
_LABEL_KEYS = ("label", "class", "category", "name", "desc", "description")
_SCORE_KEYS = ("score", "confidence")
_NUMBER = r"-?\d{1,7}(?:\.\d{1,12})?"
_FOUR = re.compile(
    rf"[\[(<]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*(?:[\])]\s*,?\s*[\[(]|,)\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])>]"
)
_TWO = re.compile(rf"[\[(]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]")
_TOKENS = re.compile(r"<\|?/?(?:box|point|quad|object_ref)(?:_start|_end)?\|?>")
_XML = re.compile(rf'<point\s+x="({_NUMBER})"\s+y="({_NUMBER})"')


class PlaceParams(Params):
    """In which space gold and response count."""

    space: Space = Field(default="pixel", description="the gold's coordinates: pixel, norm1 (0–1) or norm1000 (0–1000)")
    size: tuple[float, float] | None = Field(
        default=None, description="width, height of the image of the gold's pixels"
    )
    response_space: Space | None = Field(default=None, description="the response's coordinates; unset: the gold's")
    response_size: tuple[float, float] | None = Field(
        default=None, description="width, height of the image that the model saw; unset: the gold's"
    )

    def gold_coord(self) -> Coord:
        """The gold's space."""
        width, height = self.size or (None, None)
        return Coord(space=self.space, width=width, height=height)

    def response_coord(self, gold: Coord) -> Coord:
        """The response's space, given the gold's."""
        width, height = self.response_size or (gold.width, gold.height)
        return Coord(space=self.response_space or gold.space, width=width, height=height)


def read_boxes(text: str) -> list[Box] | None:
    """The boxes of a text; `[]` where it says that there are none; None where it says nothing readable."""
    text = unfenced(_TOKENS.sub(" ", unprefixed(text)))
    if words(text) in _EMPTY or text in _EMPTY:
        return []
    try:
        found = _boxes(read_literal(text), 0)
    except (NotLiteralError, TypeError):
        found = None
    if found is None:
        groups = [[float(n) for n in match.groups()] for match in left(text, _FOUR)]
        found = [box for group in groups if (box := _box(group)) is not None] or None
    return found if found is None or len(found) <= MOST else None


def read_points(text: str) -> list[Point] | None:
    """The points of a text, likewise."""
    text = unfenced(unprefixed(text))
    if words(text) in _EMPTY or text in _EMPTY:
        return []
    if _XML.search(text):
        marked = [match.groups() for match in left(text, _XML)]
        return [Point(xy=(float(x), float(y))) for x, y in marked] if 0 < len(marked) <= MOST else None
    text = _TOKENS.sub(" ", text).strip()
    try:
        found = _points(read_literal(text), 0)
    except (NotLiteralError, TypeError):
        found = None
    if found is None and not _FOUR.search(text):
        found = [Point(xy=(float(x), float(y))) for x, y in (m.groups() for m in left(text, _TWO))] or None
    return found if found is None or len(found) <= MOST else None


def left(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The matches, up to one more than `MOST`, that the words around them neither deny, take back nor leave open."""
    found = list(islice(pattern.finditer(text), MOST + 1))
    ends = [0, *(match.end() for match in found)]
    starts = [*(match.start() for match in found), len(text)]
    kept = left_of([text[a:b] for a, b in zip(ends, starts, strict=True)])
    return [found[at] for at in kept or ()]


def stated(value: Any) -> str:
    """JSON as a model would write it, whole numbers without a decimal point."""

    def short(item: Any) -> Any:
        if isinstance(item, float) and item.is_integer():
            return int(item)
        if isinstance(item, dict):
            return {key: short(v) for key, v in item.items()}
        return [short(v) for v in item] if isinstance(item, (list, tuple)) else item

    return json.dumps(short(value), ensure_ascii=False)


def numbers(value: Any, count: int) -> list[float] | None:
    """Exactly `count` finite numbers, else None. Truth values are no numbers."""
    if not isinstance(value, list) or len(value) != count:
        return None
    plain = all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 1e9 for v in value)
    return [float(v) for v in value] if plain and all(math.isfinite(v) for v in value) else None


def first(mapping: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the first of the keys that is there, letter case aside."""
    folded = {str(k).casefold(): v for k, v in mapping.items()}
    return next((folded[key] for key in keys if key in folded), None)


def _boxes(value: Any, depth: int) -> list[Box] | None:  # noqa: PLR0911
    if depth > 3:
        return None
    if isinstance(value, dict):
        return _boxes_of(value, depth)
    if not isinstance(value, list):
        return None
    if not value:
        return []
    if len(value) > MOST:
        return None
    if (single := _corners(value)) is not None:
        return [single]
    parts = [_boxes(item, depth + 1) for item in value]
    if any(part is None for part in parts):
        return None
    return [box for part in parts if part for box in part]


def _boxes_of(value: Mapping[str, Any], depth: int) -> list[Box] | None:
    corners = first(value, _BOX_KEYS)
    found = _boxes(corners, depth + 1) if corners is not None else None
    if found is None:
        listed = first(value, _LIST_KEYS)
        return _boxes(listed, depth + 1) if listed is not None else None
    label, score = first(value, _LABEL_KEYS), first(value, _SCORE_KEYS)
    marks: dict[str, Any] = {}
    if isinstance(label, str):
        marks["label"] = label
    if isinstance(score, (int, float)) and abs(score) < 1e9:
        marks["score"] = float(score)
    return [box.model_copy(update=marks) for box in found]


def _corners(value: list[Any]) -> Box | None:
    if (four := numbers(value, 4)) is not None:
        return _box(four)
    pairs = [numbers(v, 2) for v in value] if len(value) == 2 else []
    if len(pairs) == 2 and pairs[0] is not None and pairs[1] is not None:
        return _box([*pairs[0], *pairs[1]])
    return None


def _box(four: list[float]) -> Box | None:
    return Box(xyxy=(four[0], four[1], four[2], four[3]))


def _points(value: Any, depth: int) -> list[Point] | None:  # noqa: PLR0911
    if depth > 3:
        return None
    if isinstance(value, dict):
        x, y = first(value, ("x",)), first(value, ("y",))
        if (pair := numbers([x, y], 2)) is None:
            inner = first(value, _POINT_KEYS)
            return _points(inner, depth + 1) if inner is not None else None
        return [Point(xy=(pair[0], pair[1]))]
    if not isinstance(value, list):
        return None
    if (pair := numbers(value, 2)) is not None:
        return [Point(xy=(pair[0], pair[1]))]
    if len(value) > MOST:
        return None
    parts = [_points(item, depth + 1) for item in value]
    if any(part is None for part in parts):
        return None
    return [point for part in parts if part for point in part]
