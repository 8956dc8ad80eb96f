"""A box for each time step."""

from collections.abc import Sequence
from typing import Any, Literal

from filters.verify.geometry import SpaceError, area, iou, scale_between, scaled
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, wrong
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.normalise import unprefixed
from filters.verify.places import MOST, PlaceParams, first, numbers, stated
from schemas.answer import Frame, TrackAnswer

MOST_TIME = 1e9
"""A larger time or number of a frame is none."""


class TrackParams(PlaceParams):
    """Tracks have one metric."""

    metric: Literal["mean_iou"] = "mean_iou"


def read_track(text: str) -> list[Frame] | None:
    """Frames of `[[x1,y1,x2,y2], …]` (counted from 0), `[{"t": …, "bbox": …}, …]` or `{"0": […], …}`."""
    try:
        value = read_literal(unprefixed(text))
    except NotLiteralError:
        return None
    if isinstance(value, dict):
        inner = first(value, ("track", "frames", "boxes", "answer"))
        value = inner if inner is not None else [{"t": k, "bbox": v} for k, v in value.items()]
    if not isinstance(value, list) or not 0 < len(value) <= MOST:
        return None
    frames = [_frame(step, item) for step, item in enumerate(value)]
    kept = [frame for frame in frames if frame is not None]
    return kept if len(kept) == len(frames) and len({f.t for f in kept}) == len(kept) else None


def _frame(step: int, item: Any) -> Frame | None:
    time: Any = step
    if isinstance(item, dict):
        time = first(item, ("t", "time", "frame", "timestamp"))
        item = first(item, ("bbox", "bbox_2d", "box", "xyxy"))
    corners = numbers(item, 4)
    try:
        at = float(time)
    except (TypeError, ValueError, OverflowError):
        return None
    if corners is None or not abs(at) < MOST_TIME:
        return None
    return Frame(t=at, xyxy=(corners[0], corners[1], corners[2], corners[3]))


def read_gold(raw: str, options: Sequence[str], params: TrackParams) -> TrackAnswer:
    """Boxes with an area, at different times."""
    frames = read_track(raw)
    if not frames or any(area(f.xyxy) <= 0 for f in frames):
        raise GoldUnparseableError(f"not a track of boxes: {raw[:80]!r}")
    return TrackAnswer(raw=raw, frames=tuple(frames), coord=params.gold_coord())


def judge(span: str, gold: TrackAnswer, options: Sequence[str], params: TrackParams) -> Outcome:
    """Mean over all gold frames; a frame that is missing counts 0, one too many is not looked at."""
    try:
        scale = scale_between(params.response_coord(gold.coord), gold.coord)
    except SpaceError as error:
        return Outcome(None, str(error))
    frames = read_track(span)
    if frames is None:
        return wrong("not a track of boxes")
    places = {f.t: scaled(f.xyxy, scale) for f in frames}
    score = sum(iou(places[f.t], f.xyxy) for f in gold.frames if f.t in places) / len(gold.frames)
    return Outcome(score, f"mean overlap {score:.3f} over {len(gold.frames)} frames", f"{len(frames)} frames")


def state(gold: TrackAnswer, params: TrackParams) -> str:
    """The frames as JSON, in the space that responses use."""
    scale = scale_between(gold.coord, params.response_coord(gold.coord))
    return stated([{"t": f.t, "bbox": scaled(f.xyxy, scale)} for f in gold.frames])


TRACK = Kind(
    name="track",
    params=TrackParams,
    read_gold=read_gold,
    judge=judge,
    longest=100_000,
    metrics={
        "mean_iou": Metric("mean IoU over all gold frames, missing frames 0", "VideoChat-R1; OneThinker tracking", 0.5)
    },
    gold_forms='`[[x1,y1,x2,y2], …]` counted from 0, `[{"t": 0.5, "bbox": […]}, …]`, `{"0": […], …}`',
    response_forms="the same, with the gold's times",
    show=lambda gold: "; ".join(f"{f.t:g}: " + ",".join(f"{v:g}" for v in f.xyxy) for f in gold.frames[:20]),
    state=state,
)
