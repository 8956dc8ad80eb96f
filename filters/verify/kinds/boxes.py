"""Boxes: overlaps of one, assignments of many, and the empty target."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from filters.verify.geometry import (
    SpaceError,
    Xyxy,
    area,
    best_pairs,
    contains,
    enlarged,
    giou,
    iou,
    scale_between,
    scaled,
    union_iou,
)
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, wrong
from filters.verify.normalise import words
from filters.verify.places import PlaceParams, read_boxes, read_points, stated
from schemas.answer import Box, BoxesAnswer

BoxMetric = Literal["iou", "giou", "greedy", "ap", "ap_length", "weighted", "union", "point_in", "corner_l1"]


class BoxesParams(PlaceParams):
    """How boxes are matched."""

    metric: BoxMetric = "iou"
    iou: float = Field(default=0.5, gt=0, le=1, description="greedy, ap, weighted: overlaps count from here on")
    labels: bool = Field(default=False, description="a box matches only a gold box of the same label")
    enlarge: float = Field(default=1.0, ge=1, description="point_in: gold boxes are enlarged by this factor first")
    l1: float = Field(default=10.0, gt=0, description="corner_l1: mean distance of the corners, in the gold's units")


def read_gold(raw: str, options: Sequence[str], params: BoxesParams) -> BoxesAnswer:
    """Boxes with an area; `[]` and `None` are the absent target."""
    boxes = read_boxes(raw)
    if boxes is None:
        raise GoldUnparseableError(f"holds no box: {raw[:80]!r}")
    if any(area(box.xyxy) <= 0 for box in boxes):
        raise GoldUnparseableError("a box has no area: corners are x1, y1, x2, y2 with x1 < x2 and y1 < y2")
    return BoxesAnswer(raw=raw, boxes=tuple(boxes), coord=params.gold_coord())


def judge(span: str, gold: BoxesAnswer, options: Sequence[str], params: BoxesParams) -> Outcome:
    """Converts the response to the gold's space, then compares."""
    try:
        scale = scale_between(params.response_coord(gold.coord), gold.coord)
    except SpaceError as error:
        return Outcome(None, str(error))
    if params.metric == "point_in":
        return _point_in(span, gold, scale, params)
    boxes = read_boxes(span)
    if boxes is None:
        return wrong("holds no box; an absent target has to be stated")
    shown = _show(boxes)
    boxes = [box.model_copy(update={"xyxy": scaled(box.xyxy, scale)}) for box in boxes]
    if not boxes or not gold.boxes:
        agree = not boxes and not gold.boxes
        about = "both say that nothing is there" if agree else f"{len(boxes)} boxes instead of {len(gold.boxes)}"
        return Outcome(float(agree), about, shown)
    score = _METRICS[params.metric](boxes, list(gold.boxes), params)
    return Outcome(score, f"{params.metric} {score:.3f} of {len(boxes)} boxes against {len(gold.boxes)}", shown)


def _point_in(span: str, gold: BoxesAnswer, scale: tuple[float, float], params: BoxesParams) -> Outcome:
    points = read_points(span)
    if points is None and (boxes := read_boxes(span)):
        centres = [((b.xyxy[0] + b.xyxy[2]) / 2, (b.xyxy[1] + b.xyxy[3]) / 2) for b in boxes]
    else:
        centres = [point.xy for point in points or []]
    if len(centres) != 1:
        shown = ", ".join(f"({x:g}, {y:g})" for x, y in centres[:8]) or None
        return wrong(f"{len(centres)} points instead of 1", shown)
    place = centres[0][0] * scale[0], centres[0][1] * scale[1]
    inside = any(contains(enlarged(box.xyxy, params.enlarge), place) for box in gold.boxes)
    return Outcome(float(inside), "inside" if inside else "outside", f"({centres[0][0]:g}, {centres[0][1]:g})")


def _overlap(a: Box, b: Box, params: BoxesParams) -> float:
    if params.labels and words(a.label or "") != words(b.label or ""):
        return 0.0
    return iou(a.xyxy, b.xyxy)


def _matched(boxes: list[Box], gold: list[Box], params: BoxesParams) -> list[tuple[int, int, float]]:
    table = [[_overlap(a, b, params) for b in gold] for a in boxes]
    return [(i, j, table[i][j]) for i, j in best_pairs(table)]


def mean_iou(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """Sum of the best one-to-one overlaps over the larger number of boxes."""
    return sum(v for *_, v in _matched(boxes, gold, params)) / max(len(boxes), len(gold))


def half_giou(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """(1 + GIoU) / 2 of the one box; 0 when there are several."""
    return (1 + giou(boxes[0].xyxy, gold[0].xyxy)) / 2 if len(boxes) == len(gold) == 1 else 0.0


def greedy(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """By falling confidence, each box takes the free gold box that it overlaps most, if by more than the threshold."""
    return sum(v for _, v in _greedy(boxes, gold, params, params.iou)) / max(len(boxes), len(gold))


def _greedy(boxes: list[Box], gold: list[Box], params: BoxesParams, least: float) -> list[tuple[bool, float]]:
    free = list(range(len(gold)))
    hits = []
    for box in sorted(boxes, key=lambda b: -(b.score if b.score is not None else 1.0)):
        best = max(free, key=lambda j: _overlap(box, gold[j], params), default=None)
        value = _overlap(box, gold[best], params) if best is not None else 0.0
        hit = best is not None and value >= least
        if hit and best is not None:
            free.remove(best)
        hits.append((hit, value if hit else 0.0))
    return hits


def average_precision(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """Mean over the gold's labels of the area under the interpolated precision–recall curve (all points)."""
    if not params.labels:
        return _ap(boxes, gold, params)
    names = sorted({words(b.label or "") for b in gold})
    per_label = [_ap(_of(boxes, name), _of(gold, name), params) for name in names]
    return sum(per_label) / len(per_label)


def _of(boxes: list[Box], name: str) -> list[Box]:
    return [b for b in boxes if words(b.label or "") == name]


def _ap(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    curve = []
    found = 0
    for rank, (hit, _) in enumerate(_greedy(boxes, gold, params, params.iou), start=1):
        found += hit
        curve.append((found / len(gold), found / rank))
    total = reached = 0.0
    for at, (recall, _) in enumerate(curve):
        if recall > reached:
            total += (recall - reached) * max(precision for _, precision in curve[at:])
            reached = recall
    return total


def ap_length(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """AP, less for boxes beyond the gold's number."""
    return average_precision(boxes, gold, params) * min(1.0, len(gold) / len(boxes))


def weighted(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """0.7 × mean matched overlap + 0.3 × (1 − (missed + false) / 2)."""
    hits = [v for *_, v in _matched(boxes, gold, params) if v >= params.iou]
    missed, false = 1 - len(hits) / len(gold), 1 - len(hits) / len(boxes)
    return 0.7 * sum(hits) / len(gold) + 0.3 * (1 - (missed + false) / 2)


def of_unions(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """IoU of the two unions."""
    return union_iou([b.xyxy for b in boxes], [b.xyxy for b in gold])


def corner_l1(boxes: list[Box], gold: list[Box], params: BoxesParams) -> float:
    """The share of boxes whose corners are on average closer than `l1` to those of their gold box."""
    table = [[-_corner_distance(a.xyxy, b.xyxy) for b in gold] for a in boxes]
    near = sum(-table[i][j] < params.l1 for i, j in best_pairs(table))
    return near / max(len(boxes), len(gold))


def _corner_distance(a: Xyxy, b: Xyxy) -> float:
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / 4


_METRICS: dict[str, Callable[[list[Box], list[Box], BoxesParams], float]] = {
    "iou": mean_iou,
    "giou": half_giou,
    "greedy": greedy,
    "ap": average_precision,
    "ap_length": ap_length,
    "weighted": weighted,
    "union": of_unions,
    "corner_l1": corner_l1,
}


def state(gold: BoxesAnswer, params: BoxesParams) -> str:
    """The boxes as JSON, in the space that responses use."""
    scale = scale_between(gold.coord, params.response_coord(gold.coord))
    listed = []
    for box in gold.boxes:
        marks = {"label": box.label, "score": box.score}
        listed.append({"bbox_2d": scaled(box.xyxy, scale)} | {k: v for k, v in marks.items() if v is not None})
    return stated(listed)


def _show(boxes: Sequence[Box]) -> str:
    shown = [",".join(f"{v:g}" for v in box.xyxy) + (f" {box.label}" if box.label else "") for box in boxes[:20]]
    return "; ".join(shown) if boxes else "none"


BOXES = Kind(
    name="boxes",
    params=BoxesParams,
    read_gold=read_gold,
    judge=judge,
    longest=100_000,
    metrics={
        "iou": Metric(
            "sum of the best one-to-one IoUs (Hungarian) over max(#g, #p); for one box each, its IoU",
            "VLM-R1, R1-Onevision, VisionReasoner",
            0.5,
        ),
        "giou": Metric("(1 + GIoU) / 2 for one box each, else 0", "Visual-RFT, lisa_evaluation", 0.75),
        "greedy": Metric(
            "boxes by falling confidence take the free gold box of largest IoU ≥ `iou`; sum of those IoUs / max(#g, #p)",
            "Visual-RFT, src/virft/src/open_r1/grpo.py",
            0.5,
        ),
        "ap": Metric(
            "average precision at `iou`, all points interpolated, mean over the gold's labels when `labels`",
            "VLM-R1 od_ap50; PASCAL VOC 2010 devkit",
            0.5,
        ),
        "ap_length": Metric("AP · min(1, #g / #p)", "VLM-R1 odLength", 0.5),
        "weighted": Metric(
            "0.7 · Σ matched IoU (≥ `iou`) / #g + 0.3 · (1 − (missed + false alarms) / 2)", "VLM-R1 weighted_sum", 0.5
        ),
        "union": Metric("IoU of the union of all boxes", "SATORI-R1, plugin.py", 0.5),
        "point_in": Metric(
            "1 if the one point (or the centre of the one box) is in a gold box enlarged by `enlarge`",
            "UI-R1; InfiGUI-R1 (×1.2)",
        ),
        "corner_l1": Metric(
            "share of boxes whose corners are on average closer than `l1` to their gold box's", "Seg-Zero", 1.0
        ),
    },
    gold_forms=(
        '`[x1,y1,x2,y2]`, lists of it, `[{"bbox_2d": […], "label": …}]`, `(x1,y1),(x2,y2)`; `[]`/`None`: nothing is there'
    ),
    response_forms="the same, in a code fence or a sentence, with box tokens; in its own coordinate space",
    show=lambda gold: _show(gold.boxes),
    state=state,
)
