"""The report's charts: Vega-Lite specifications by Altair, their data inside, and the scripts that draw them.

Colours of the Okabe-Ito palette, which colour-blind readers can tell apart; difficulty, which is an order, goes from dark to
light of a hue that means nothing else. A chart that has nothing to say is left out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from schemas.errors import MissingDependencyError

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#e69f00", "#009e73", "#8a8f98"
SKY = "#56b4e9"
_HARDEST, _EASIEST = (0x74, 0x3A, 0xA8), (0xE3, 0xB4, 0xEA)
"""Red, green and blue of the outer bands of difficulty."""
_PARTS = {"kept": BLUE, "dropped": ORANGE, "right": BLUE, "wrong": ORANGE, "not scored": GREY, "all": BLUE}
_PARTS["in the release"] = BLUE
_OUTCOMES = {"sft": BLUE, "rl": SKY, "holdout": GREEN, "dropped": ORANGE}
_PLACES = {name: place for place, name in enumerate(_OUTCOMES)}
_SETS = {"candidates": GREY, "selected": BLUE, "control": ORANGE}
WIDTH, HEIGHT = 300, 180

Spec = dict[str, Any]


def charts(
    rates: pl.DataFrame,
    census: pl.DataFrame,
    lengths: pl.DataFrame,
    gain: pl.DataFrame,
    selection: pl.DataFrame,
    bands: Sequence[str],
) -> dict[str, list[Spec]]:
    """Specifications by section of the page: `difficulty`, `lengths`, `vision`, `selection`.

    The tables are those of `pipelines.report.figures`, and the census of `pipelines.report.fates`; `bands` are named
    hardest first. Raises MissingDependencyError where Altair is not installed.
    """
    load()
    rated = [_pass_rates(own, model, bands) for (model,), own in rates.group_by("model", maintain_order=True)]
    return {
        "difficulty": [*rated, _ends(census, bands)] if rated else [],
        "lengths": [_lengths(own, what) for (what,), own in lengths.group_by("what", maintain_order=True)],
        "vision": [_vision(gain)] if gain.height else [],
        "selection": [
            _shares(own, figure, bands)
            for (figure,), own in selection.group_by("figure", maintain_order=True)
            if own["value"].count()
        ],
    }


def load() -> Any:
    """Altair. Raises MissingDependencyError where it, or what bundles its scripts, is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(str(error.name), "report", "`curate report`") from None
    return altair


def scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    version = ".".join(load().SCHEMA_VERSION.lstrip("v").split(".")[:2])
    bundle: Any = vl_convert.javascript_bundle  # its stub asks for a snippet, which has a default
    return str(bundle(vl_version=version))


def _spec(chart: Any, description: str, **properties: Any) -> Spec:
    """The specification of a chart; `description` is what a screen reader says of it."""
    whole = {"width": WIDTH, "height": HEIGHT, "description": description} | properties
    found: Spec = chart.properties(**whole).to_dict()
    found.pop("config", None)  # the page has its own, for light and for dark
    return found


def _data(rows: pl.DataFrame) -> Any:
    return load().Data(values=rows.to_dicts())


def _colours(alt: Any, field: str, colours: Mapping[str, str], present: list[str]) -> Any:
    known = [name for name in colours if name in present]
    scale = alt.Scale(domain=known, range=[colours[name] for name in known])
    return alt.Color(f"{field}:N", scale=scale, title=None, legend=None if len(known) < 2 else alt.Legend(orient="top"))


def _band_colours(bands: Sequence[str]) -> dict[str, str]:
    steps = max(1, len(bands) - 1)
    mixed = [
        [round(a + (b - a) * i / steps) for a, b in zip(_HARDEST, _EASIEST, strict=True)] for i in range(len(bands))
    ]
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in zip(bands, mixed, strict=True)}


def _counts() -> Any:
    """The axis of a count. Its own expression, for the format alone writes 0 as 0k."""
    return load().Axis(labelExpr="format(datum.value, '~s')", tickCount=6, tickMinStep=1)


def _pass_rates(rows: pl.DataFrame, model: str, bands: Sequence[str]) -> Spec:
    """How many samples had how many right. Where samples have different n, rates are shown in tenths."""
    alt = load()
    if rows["n"].n_unique() == 1:
        data = rows.with_columns(bin="k", label=pl.format("{} of {}", "k", "n"))
        whole = alt.Scale(domain=list(range(rows["n"][0] + 1)))
        x = alt.X(
            "bin:O", scale=whole, title=f"right answers of {rows['n'][0]} by {model}", axis=alt.Axis(labelAngle=0)
        )
    else:
        tenth = (pl.col("k") * 10 // pl.col("n")).cast(pl.String)
        data = rows.with_columns(bin=pl.format("{} tenths", tenth)).sort(pl.col("k") / pl.col("n"))
        data = data.group_by("bin", "band", maintain_order=True).agg(pl.col("samples").sum()).with_columns(label="bin")
        x = alt.X("bin:O", sort=data["bin"].unique(maintain_order=True).to_list(), title=f"share right, {model}")
    chart = alt.Chart(_data(data)).mark_bar(cursor="pointer")
    coloured = _colours(alt, "band", _band_colours(bands), data["band"].to_list())
    tips = [alt.Tooltip("label:N", title="right"), alt.Tooltip("samples:Q", format=","), alt.Tooltip("band:N")]
    return _spec(
        chart.encode(
            x=x,
            y=alt.Y("samples:Q", title="samples", axis=_counts()),
            color=coloured,
            tooltip=tips,
        ),
        f"Samples by how many of their rollouts by {model} were right",
    )


def _ends(census: pl.DataFrame, bands: Sequence[str]) -> Spec:
    """Where the samples of each band ended."""
    alt = load()
    counted = census.filter(pl.col("band").is_in(bands)).group_by("band", "outcome").agg(pl.col("samples").sum())
    data = counted.with_columns(place=pl.col("outcome").replace_strict(_PLACES, default=9)).sort("band", "place")
    tips = [alt.Tooltip("band:N"), alt.Tooltip("outcome:N"), alt.Tooltip("samples:Q", format=",")]
    chart = alt.Chart(_data(data)).mark_bar(cursor="pointer")
    encoded = chart.encode(
        x=alt.X("band:N", sort=list(bands), title="where the samples of each band ended", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("samples:Q", title="samples", axis=_counts()),
        color=_colours(alt, "outcome", _OUTCOMES, data["outcome"].to_list()),
        order="place:Q",
        tooltip=tips,
    )
    return _spec(encoded, "Where the samples of each band of difficulty ended")


def _lengths(rows: pl.DataFrame, what: str) -> Spec:
    alt = load()
    top = pl.col("rows").cum_sum().over("low")
    first, last = (pl.col(name).ceil().cast(pl.Int64) for name in ("low", "high"))
    shown = pl.when(last - 1 > first).then(pl.format("{} to {}", first, last - 1)).otherwise(first.cast(pl.String))
    data = rows.with_columns(top=top, foot=top - pl.col("rows"), shown=shown, low=pl.col("low").clip(0.5))
    low, high = data.select(pl.col("low").log(2.0).min(), pl.col("high").log(2.0).max()).row(0)
    octaves = [2.0**i for i in range(math.floor(low + 1e-3), math.ceil(high - 1e-3) + 1)]  # edges are rounded
    axis = alt.Axis(format="~s" if octaves[-1] >= 10_000 else ",~f", values=octaves, labelOverlap="greedy")
    scale = alt.Scale(type="log", base=2, nice=False, domain=[octaves[0], octaves[-1]])
    x = alt.X("low:Q", scale=scale, title=what, axis=axis)
    y = alt.Y("foot:Q", title="rows", axis=_counts())
    tips = [alt.Tooltip("shown:N", title=what), alt.Tooltip("rows:Q", format=","), alt.Tooltip("part:N")]
    coloured = _colours(alt, "part", _PARTS, data["part"].to_list())
    return _spec(
        alt.Chart(_data(data)).mark_rect().encode(x=x, x2="high:Q", y=y, y2="top:Q", color=coloured, tooltip=tips),
        f"Histogram: {what}",
    )


def _vision(rows: pl.DataFrame) -> Spec:
    """Samples by how often they are right with and without the image; on the diagonal the image is worth nothing."""
    alt = load()
    rates = {"seen": pl.col("k") / pl.col("n"), "blind": pl.col("k_text") / pl.col("n_text")}
    data = rows.select("samples", **{name: rate.round(3) for name, rate in rates.items()})
    data = data.group_by("seen", "blind").agg(pl.col("samples").sum()).sort("seen", "blind")
    tips = [
        alt.Tooltip("blind:Q", title="right without the image", format=".0%"),
        alt.Tooltip("seen:Q", title="right with the image", format=".0%"),
        alt.Tooltip("samples:Q", format=","),
    ]
    x = alt.X(
        "blind:Q",
        scale=alt.Scale(domain=[0, 1]),
        title="right without the image",
        axis=alt.Axis(format="%", tickCount=5),
    )
    y = alt.Y(
        "seen:Q", scale=alt.Scale(domain=[0, 1]), title="right with the image", axis=alt.Axis(format="%", tickCount=5)
    )
    most = int(data["samples"].max())  # type: ignore[arg-type]
    legend = alt.Legend(orient="top", values=sorted({1, -(-most // 2), most}), title="samples", titleOrient="left")
    dots = alt.Chart(_data(data)).mark_circle(color=BLUE, opacity=0.9)
    dots = dots.encode(
        x=x, y=y, size=alt.Size("samples:Q", scale=alt.Scale(range=[20, 700]), legend=legend), tooltip=tips
    )
    ends = pl.DataFrame({"blind": [0.0, 1.0], "seen": [0.0, 1.0]})
    line = alt.Chart(_data(ends)).mark_line(color=GREY, strokeDash=[4, 4]).encode(x="blind:Q", y="seen:Q")
    return _spec(line + dots, "Samples by how often they are right with and without the image", height=WIDTH)


def _shares(rows: pl.DataFrame, figure: str, bands: Sequence[str]) -> Spec:
    """A share of candidates, selected and control, side by side."""
    alt = load()
    data = rows.with_columns(pl.col("value").fill_null("none")).unpivot(
        list(_SETS), index="value", variable_name="set", value_name="share"
    )
    order = [b for b in bands if b in data["value"].to_list()] if figure == "share of band" else None
    tips = [alt.Tooltip("value:N", title=figure), alt.Tooltip("set:N"), alt.Tooltip("share:Q", format=".1%")]
    chart = alt.Chart(_data(data)).mark_bar()
    encoded = chart.encode(
        y=alt.Y("value:N", sort=order or "-x", title=None),
        yOffset=alt.YOffset("set:N", sort=list(_SETS)),
        x=alt.X("share:Q", title=figure, axis=alt.Axis(format="%", tickCount=5)),
        color=_colours(alt, "set", _SETS, list(_SETS)),
        tooltip=tips,
    )
    return _spec(encoded, f"Candidates, selected and control: {figure}", height=alt.Step(12))
