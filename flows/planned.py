"""`curate plan` on a terminal."""

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from pipelines.plan import Cost, Planned

CAPTION = "≤ at most · ~ by what it took before · ? unknown · ≤ tokens and US$ leave out prompts"


def plan_table(plan: Sequence[Planned]) -> Table:
    """One line a step, and what they come to."""
    work = sum(not p.fresh for p in plan)
    title = f"Plan: {work} steps to run" if work else "Plan: nothing to do"
    table = Table(title=title, title_justify="left", caption=CAPTION, caption_justify="left")
    table.add_column("step", overflow="fold")
    table.add_column("state", overflow="fold")
    for name in ("rows", "to ask", "tokens", "seconds", "US$"):
        table.add_column(name, justify="right")
    for p in plan:
        rows = "" if p.fresh else "?" if p.rows is None else f"≤ {p.rows:,}"
        table.add_row(p.step, _state(p), rows, *_cells(p.costs, exact=True))
    every = [cost for p in plan for cost in p.costs]
    if every:
        table.add_section()
        table.add_row("all steps", "", "", *_cells(every, exact=all(cost.exact for cost in every)))
    return table


def _state(p: Planned) -> str:
    if p.fresh:
        return "up to date"
    if p.stale and p.stale < p.buckets:
        return f"{p.stale} of {p.buckets} parts stale"
    return f"after {p.after}" if p.after is not None else "to run"


def _cells(costs: Sequence[Cost], *, exact: bool) -> tuple[str, str, str, str]:
    if not costs:
        return ("", "", "", "")
    bound = "" if exact and all(cost.exact for cost in costs) else "≤ "
    about = "~" if all(cost.estimated for cost in costs if cost.samples) else "≤ "
    return (
        _sum(bound, (cost.samples for cost in costs), "{:,}"),
        _sum(about, (_tokens(cost) for cost in costs), "{:,}"),
        _sum("~", (cost.seconds for cost in costs), "{:,.0f}"),
        _sum(about, (cost.dollars for cost in costs), "{:,.2f}"),
    )


def _tokens(cost: Cost) -> int | None:
    if cost.reply_tokens is None or (cost.estimated and cost.prompt_tokens is None):
        return None
    return cost.reply_tokens + (cost.prompt_tokens or 0)


def _sum(mark: str, values: Iterable[float | None], form: str) -> str:
    known: Callable[[float], str] = form.format
    found = list(values)
    if None in found:
        return "?"
    total = sum(value for value in found if value is not None)
    return f"{mark if total else ''}{known(total)}"
