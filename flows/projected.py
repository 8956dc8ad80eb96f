"""`curate plan --calibrate` on a terminal."""

import math

from rich.table import Table

from pipelines.projection.hours import FULL, Hours, Measured
from pipelines.projection.watched import Asked

_WHAT = {
    "models": "answers at the rate of a full window, one step after the other",
    "driver": "rendering, keys, HTTP and log, a core each (driver.processes)",
    "disk": "journal, log, tables, release",
    "pure steps": "what asks nothing, on all cores (driver.workers)",
}


def asked_table(measured: Measured) -> Table:
    """What each step asked each model, and how that went."""
    table = Table(
        title=f"Calibration: {measured.answers:,} answers about {measured.samples:,} samples", title_justify="left"
    )
    for name in ("step", "model"):
        table.add_column(name, overflow="fold")
    for name in (
        "answers",
        "window",
        "answers/s",
        "median s",
        "95 % s",
        "most s",
        "tokens in",
        "out",
        "driver ms",
        "of a core",
    ):
        table.add_column(name, justify="right")
    for one in measured.asked:
        if one.answers:
            table.add_row(one.step, one.model, *_cells(one))
    return table


def _cells(one: Asked) -> tuple[str, ...]:
    calls = len([answers for _, _, answers in one.calls if answers])
    return (
        f"{one.answers:,}",
        f"{one.window:,}",
        f"{one.rate:,.1f}",
        *(f"{one.seconds_at(share):,.2f}" for share in (0.5, 0.95, 1.0)),
        "?" if one.prompt_tokens is None else f"{one.prompt_tokens / calls:,.0f}",
        "?" if one.completion_tokens is None else f"{one.completion_tokens / one.answers:,.0f}",
        f"{1000 * one.cpu_s / one.answers:.2f}",
        f"{one.busy:.0%}",
    )


def hours_table(found: Hours) -> Table:
    """Hours by resource, the one that limits marked."""
    title = f"Projected to {found.samples:,} samples: {found.answers:,} answers, {found.bytes / 1e9:,.1f} GB"
    table = Table(title=title, title_justify="left")
    table.add_column("resource")
    table.add_column("hours", justify="right")
    table.add_column("", justify="left")
    for name, hours in found.hours.items():
        bound = "≤ " if found.at_most and name == "models" else "~"
        mark = " ← limits" if name == found.limit else ""
        table.add_row(name, f"{bound}{hours:,.2f}", _WHAT[name] + mark)
    return table


def sentences_of(measured: Measured, found: Hours) -> list[str]:
    """What the tables come to, and what would make them surer."""
    dollars = "unknown: a model has no price_in and price_out" if found.dollars is None else f"${found.dollars:,.2f}"
    sentences = [f"Limit: {_CURE[found.limit]}", f"Cost of what is asked: {dollars}."]
    few = [one for one in measured.asked if one.answers and _sequences(one) < 2 * one.window]
    if few:
        most = math.ceil(measured.answers * max(2 * one.window / _sequences(one) for one in few))
        names = ", ".join(f"{one.step} ({one.window:,} at once)" for one in few)
        sentences.append(
            f"Fewer than two windows were asked by {names}: --calibrate {most} or more says what a full one gives."
        )
    return sentences


def _sequences(one: Asked) -> int:
    return sum(sequences for _, sequences, _ in one.calls)


_CURE = {
    "models": "the models. More replicas (base_urls, engine: ray), a larger concurrency while answers/s still grow with it, "
    "shorter replies.",
    "driver": f"the driver, whose core is full ({FULL:.0%} or more) or would be. More samples a call, "
    "or more processes that ask (driver.processes).",
    "disk": "the disk. A faster one for the workspace.",
    "pure steps": "the steps that ask nothing. More cores, or --runner dask or ray.",
}
