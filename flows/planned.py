"""`curate plan` on a terminal."""

from collections.abc import Sequence

from rich.table import Table

from pipelines.plan import Planned


def plan_table(plan: Sequence[Planned]) -> Table:
    """One line a stage; `≤` marks an upper bound, `?` what cannot be known yet."""
    stale = sum(not p.fresh for p in plan)
    title = "Plan: nothing to do" if not stale else f"Plan: {stale} stages to run"
    table = Table(title=title, title_justify="left", caption="≤ upper bound · ? unknown until a first build has run")
    for name in ("stage", "state"):
        table.add_column(name)
    for name in ("to ask", "tokens", "seconds", "US$"):
        table.add_column(name, justify="right")
    for p in plan:
        state = "up to date" if p.fresh else "stale"
        if p.missing is None and p.exact:
            table.add_row(p.stage, state, "", "", "", "")
            continue
        asks = "?" if p.missing is None else f"{'' if p.exact else '≤ '}{p.missing:,}"
        tokens = "?" if p.tokens is None else f"~{p.tokens:,}"
        seconds = "?" if p.seconds is None else f"~{p.seconds:.0f}"
        dollars = "?" if p.dollars is None else f"{p.dollars:.2f}"
        table.add_row(p.stage, state, asks, tokens, seconds, dollars)
    return table
