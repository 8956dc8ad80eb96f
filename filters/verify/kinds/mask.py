"""Binary masks, as COCO run lengths or polygons, compared by `pycocotools` where its C code can be stopped."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.normalise import unprefixed
from filters.verify.places import first, numbers
from schemas.answer import MaskAnswer
from schemas.errors import MissingDependencyError

_MOST_PIXELS = 100_000_000
_MOST_NUMBERS = 200_000
"""Numbers in all polygons together."""
_LONGEST_OUTLINE = 2_000_000
"""Pixels along all polygons together: the C library keeps several places for each, and no real outline comes near it."""


class MaskParams(Params):
    """Masks have one metric."""

    metric: Literal["iou"] = "iou"
    size: tuple[int, int] | None = Field(default=None, description="height, width of the image; polygons need it")


def read_mask(text: str) -> MaskAnswer | None:
    """Run lengths `{"size": [h, w], "counts": …}` or polygons `[[x, y, x, y, …], …]`; None for anything else."""
    try:
        value = read_literal(unprefixed(text))
    except NotLiteralError:
        return None
    if isinstance(value, dict) and "counts" in value:
        return _runs(text, value)
    if isinstance(value, dict):
        value = first(value, ("segmentation", "polygon", "polygons", "mask"))
        if isinstance(value, dict) and "counts" in value:
            return _runs(text, value)
    return _polygons(text, value)


def _runs(text: str, value: dict[str, Any]) -> MaskAnswer | None:
    size, counts = numbers(value.get("size"), 2), value["counts"]
    if size is None or not 0 < size[0] * size[1] <= _MOST_PIXELS or not isinstance(counts, (str, list)):
        return None
    runs = unpacked(counts) if isinstance(counts, str) else numbers(counts, len(counts))
    if runs is None or any(r < 0 or r != int(r) for r in runs) or sum(runs) != size[0] * size[1]:
        return None
    return MaskAnswer(raw=text, size=(int(size[0]), int(size[1])), counts=tuple(int(r) for r in runs))


def unpacked(counts: str) -> list[int] | None:
    """The run lengths of COCO's packed string (five bits a character, each run less the one before the last).

    The C library trusts such strings; a model's have to be checked before they reach it. Format: `rleFrString` in
    ppwwyyxx/cocoapi, common/maskApi.c.
    """
    runs: list[int] = []
    at = 0
    while at < len(counts):
        value = shift = 0
        more = True
        while more:
            if at >= len(counts) or not 48 <= ord(counts[at]) < 112 or shift > 30:
                return None
            bits = ord(counts[at]) - 48
            value |= (bits & 0x1F) << shift
            shift += 5
            at += 1
            more = bool(bits & 0x20)
            if not more and bits & 0x10:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _polygons(text: str, value: Any) -> MaskAnswer | None:
    if isinstance(value, list) and value and not isinstance(value[0], list):
        value = [value]
    if not isinstance(value, list) or not value:
        return None
    if len(value) > _MOST_NUMBERS or sum(len(ring) for ring in value if isinstance(ring, list)) > _MOST_NUMBERS:
        return None
    flat = [[c for v in ring for c in (v if isinstance(v, list) else [v])] for ring in value if isinstance(ring, list)]
    rings = [numbers(ring, len(ring)) for ring in flat]
    kept = tuple(tuple(ring) for ring in rings if ring is not None and len(ring) >= 6 and len(ring) % 2 == 0)
    if not kept or len(kept) != len(value) or sum(map(_outline, kept)) > _LONGEST_OUTLINE:
        return None
    return MaskAnswer(raw=text, polygons=kept)


def _outline(ring: Sequence[float]) -> float:
    """How many pixels the outline of a polygon passes, in its greater direction."""
    corners = list(zip(ring[::2], ring[1::2], strict=True))
    return sum(max(abs(a[0] - b[0]), abs(a[1] - b[1])) for a, b in pairwise([*corners, corners[0]]))


def read_gold(raw: str, options: Sequence[str], params: MaskParams) -> MaskAnswer:
    """A mask whose size is known."""
    mask = read_mask(raw)
    if mask is None or (mask.size is None and params.size is None):
        raise GoldUnparseableError("not run lengths or polygons, or polygons without the image's size")
    return mask.model_copy(update={"size": mask.size or params.size, "raw": raw})


def settle(span: str, gold: MaskAnswer, options: Sequence[str], params: MaskParams) -> Outcome | None:
    """Decides only what is no mask at all."""
    return wrong("neither run lengths nor polygons") if len(span) < 20_000 and read_mask(span) is None else None


def judge(span: str, gold: MaskAnswer, options: Sequence[str], params: MaskParams) -> Outcome:
    """IoU of pixels; a mask of another size is wrong."""
    mask = read_mask(span)
    if mask is None:
        return wrong("neither run lengths nor polygons")
    size = mask.size or gold.size or params.size
    if size is None or size != (gold.size or params.size):
        return wrong(f"a mask of {mask.size} for an image of {gold.size}", f"a mask of {mask.size}")
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise MissingDependencyError("pycocotools", "verify", "Comparing masks") from error
    score = float(coco.iou([_encoded(coco, mask, size)], [_encoded(coco, gold, size)], [0])[0][0])
    return Outcome(score, f"overlap {score:.3f}", f"{size[0]}x{size[1]} mask")


def _encoded(coco: Any, mask: MaskAnswer, size: tuple[int, int]) -> Any:
    if mask.counts is not None:
        counts = unpacked(mask.counts) if isinstance(mask.counts, str) else list(mask.counts)
        return coco.frPyObjects({"size": list(size), "counts": counts}, *size)
    return coco.merge(coco.frPyObjects([list(p) for p in mask.polygons], *size))


MASK = Kind(
    name="mask",
    params=MaskParams,
    read_gold=read_gold,
    judge=judge,
    longest=1_000_000,
    settle=settle,
    metrics={"iou": Metric("pixels in both over pixels in either", "COCO API, common/maskApi.c `rleIou`", 0.5)},
    gold_forms='`{"size": [h, w], "counts": "…" or […]}`, polygons `[[x, y, x, y, …], …]`',
    response_forms="the same, of the gold's size",
    show=lambda gold: json.dumps([gold.size, gold.counts, gold.polygons])[:200],
    symmetric=True,
)
