"""`curate show` on a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from flows.terminal import printable
from pipelines.explain.outline import Line

SHOWN = 8
"""Columns of one step that are named; of more the first are, and how many there are."""


def outline_table(name: str, lines: Sequence[Line]) -> Table:
    """One row a step. It fits into 80 columns."""
    table = Table(
        title=printable(f"{name}: {len(lines)} steps"),
        title_justify="left",
        show_lines=True,
        pad_edge=False,
        expand=True,
    )
    table.caption, table.caption_justify = "completions: at most so many of each model a row", "left"
    longest = max(len(word) for line in lines for word in (line.name, f"({line.type})"))
    table.add_column("step", overflow="fold", width=min(longest, 16))
    table.add_column("works on", overflow="fold", ratio=2, min_width=10)
    table.add_column("reads", overflow="fold", ratio=7)
    table.add_column("gives", overflow="fold", ratio=5)
    for line in lines:
        table.add_row(_named(line), _rows(line), _reads(line), _gives(line))
    return table


def _named(line: Line) -> Text:
    found = Text(line.name, style="bold")
    if line.type != line.name:
        found.append(f"\n({line.type})", style="dim not bold")
    return found


def _rows(line: Line) -> Text:
    found = Text(line.rows)
    if line.scope:
        found.append(f"\n{line.scope}", style="dim")
    return found


def _reads(line: Line) -> Text:
    parts = [_columns(line.reads)]
    parts += [f"of {rows} rows beside:\n{_columns(reads)}" for rows, reads in line.beside.items()]
    found = Text("\n".join(part for part in parts if part))
    if line.where is not None:
        found.append(f"{chr(10) if found else ''}where {printable(line.where)}", style="italic")
    return found


def _columns(reads: Mapping[str, tuple[str, ...]]) -> str:
    return "\n".join(f"{giver}: {_listed(names)}" for giver, names in reads.items())


def _listed(names: Sequence[str]) -> str:
    more = f" … ({len(names)})" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _gives(line: Line) -> Text:
    found = Text()
    if line.makes is not None:
        found.append(f"{line.makes} rows: " if line.gives else f"{line.makes} rows", style="bold")
    found.append(_listed(list(line.gives)))
    if line.models:
        most = "as many completions as its answers call for" if line.most is None else f"{line.most} completions"
        most = most[:-1] if line.most == 1 else most
        found.append(f"{chr(10) if found else ''}asks {', '.join(line.models)}: {most} a row", style="yellow")
    if line.gold_visible:
        found.append("\ngold visible", style="red")
    return found
