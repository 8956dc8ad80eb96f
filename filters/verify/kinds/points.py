"""Points, by their distance to the gold's."""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.geometry import SpaceError, best_pairs, scale_between
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, wrong
from filters.verify.places import PlaceParams, read_points, stated
from schemas.answer import PointsAnswer


class PointsParams(PlaceParams):
    """How near is near."""

    metric: Literal["distance", "decay"] = "distance"
    distance: float = Field(default=30.0, gt=0, description="distance: a point counts up to here, in the gold's units")
    sigma: float = Field(default=50.0, gt=0, description="decay: the width of the bell, in the gold's units")


def read_gold(raw: str, options: Sequence[str], params: PointsParams) -> PointsAnswer:
    """Points; `[]` and `None` are the absent target."""
    points = read_points(raw)
    if points is None:
        raise GoldUnparseableError(f"holds no point: {raw[:80]!r}")
    return PointsAnswer(raw=raw, points=tuple(points), coord=params.gold_coord())


def judge(span: str, gold: PointsAnswer, options: Sequence[str], params: PointsParams) -> Outcome:
    """Pairs points one to one, nearest first overall (Hungarian), in the gold's space."""
    try:
        scale = scale_between(params.response_coord(gold.coord), gold.coord)
    except SpaceError as error:
        return Outcome(None, str(error))
    points = read_points(span)
    if points is None:
        return wrong("holds no point; an absent target has to be stated")
    shown = _show([p.xy for p in points])
    if not points or not gold.points:
        agree = not points and not gold.points
        return Outcome(float(agree), f"{len(points)} points against {len(gold.points)}", shown)
    places = [(p.xy[0] * scale[0], p.xy[1] * scale[1]) for p in points]
    gaps = [[math.dist(place, target.xy) for target in gold.points] for place in places]
    gains = [[_gain(gap, params) for gap in row] for row in gaps]
    score = sum(gains[i][j] for i, j in best_pairs(gains)) / max(len(points), len(gold.points))
    return Outcome(score, f"nearest distance {min(min(row) for row in gaps):.4g}", shown)


def _gain(gap: float, params: PointsParams) -> float:
    if params.metric == "distance":
        return float(gap <= params.distance)
    return math.exp(-(gap**2) / (2 * params.sigma**2))


def state(gold: PointsAnswer, params: PointsParams) -> str:
    """The points as JSON, in the space that responses use."""
    sx, sy = scale_between(gold.coord, params.response_coord(gold.coord))
    return stated([{"point_2d": [p.xy[0] * sx, p.xy[1] * sy]} for p in gold.points])


def _show(places: Sequence[tuple[float, float]]) -> str:
    return "; ".join(f"({x:g}, {y:g})" for x, y in places[:20]) if places else "none"


POINTS = Kind(
    name="points",
    params=PointsParams,
    read_gold=read_gold,
    judge=judge,
    longest=100_000,
    metrics={
        "distance": Metric(
            "share of points within `distance` of their gold point, one to one, over max(#g, #p)",
            "VisionReasoner (30 px)",
        ),
        "decay": Metric(
            "mean exp(−d² / 2σ²) over the best one-to-one pairs, over max(#g, #p)",
            "OneThinker, segmentation (σ 50 px)",
            0.5,
        ),
    },
    gold_forms='`(x, y)`, `[x, y]`, lists of it, `{"point_2d": [x, y]}`, `{"x": …, "y": …}`; `[]`/`None`: nothing there',
    response_forms='the same, `<point x="…" y="…">`; in its own coordinate space',
    show=lambda gold: _show([p.xy for p in gold.points]),
    state=state,
)
