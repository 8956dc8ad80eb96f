"""The plots of a proof: what each arm has right, and what one has over another, both with their intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.proof.arms import Pair
from pipelines.proof.files import PLOTS
from pipelines.proof.plan import Plan
from pipelines.proof.state import Run
from pipelines.proof.statistics import SETS, Estimate, accuracy, by_arm, differences
from pipelines.proof.table import in_order
from pipelines.report.charts import BLUE, ORANGE, load

WIDTH, STEP = 420, 28


def draw(plan: Plan, runs: Mapping[tuple[str, int], Run], folder: Path) -> list[str]:
    """Write the plots as SVG and return their names. Raises MissingDependencyError where Altair is not installed."""
    load()
    arms = in_order(by_arm(runs))
    right = [_point(name, which, accuracy(own, which)) for name, own in arms.items() for which in SETS]
    over = [_point(_less(pair), which, d.over_seeds) for which in SETS for pair, d in differences(arms, which).items()]
    titles = (f"Right answers of {plan.label}, %", "One arm less another, points")
    written = []
    for file, points, title in zip(PLOTS, (right, over), titles, strict=True):
        shown = [point for point in points if point is not None]
        if shown:
            _chart(shown, title).save(str(folder / file))
            written.append(file)
    return written


def _less(pair: Pair) -> str:
    return f"{pair.first} – {pair.second}"


def _point(name: str, which: str, value: Estimate | None) -> dict[str, Any] | None:
    if value is None:
        return None
    half = value.half or 0.0
    ends = {"low": 100 * (value.mean - half), "high": 100 * (value.mean + half)}
    return {"arm": name, "set": which, "mean": 100 * value.mean, **ends}


def _chart(points: list[dict[str, Any]], title: str) -> Any:
    """Points with bars, an arm a line; both sets beside each other."""
    alt = load()
    order = list(dict.fromkeys(point["arm"] for point in points))
    colour = alt.Color("set:N", scale=alt.Scale(domain=list(SETS), range=[BLUE, ORANGE]), title=None)
    place = alt.Y("arm:N", sort=order, title=None)
    beside = alt.YOffset("set:N")
    base = alt.Chart(alt.Data(values=points))
    bars = base.mark_rule(strokeWidth=2).encode(
        y=place, yOffset=beside, color=colour, x=alt.X("low:Q", title=title), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=60).encode(y=place, yOffset=beside, color=colour, x="mean:Q")
    return (bars + dots).properties(width=WIDTH, height=alt.Step(STEP))
