"""The funnel: what became of every row, stage by stage, with what the models cost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table


def funnel_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One flat row a stage: counts, reasons, tokens, seconds."""
    rows = []
    for record in records:
        asked = record.get("asked", {}).values()
        rows.append(
            {
                "stage": record["stage"],
                "rows": record["unit"],
                "in": record["rows_in"],
                "kept": record["kept"],
                "dropped": sum(record["dropped"].values()),
                "reasons": ", ".join(
                    [*(f"{count} {reason}" for reason, count in record["dropped"].items()), *_saved(record)]
                ),
                "asked": sum(a["samples"] for a in asked),
                "tokens": _tokens(asked),
                "seconds": record["seconds"],
            }
        )
    return rows


def _tokens(asked: Iterable[Mapping[str, Any]]) -> int | None:
    """Tokens of all models of a stage; None where a server did not count them."""
    counts = [a[kind] for a in asked for kind in ("prompt_tokens", "completion_tokens")]
    return None if None in counts else sum(counts)


def _saved(record: Mapping[str, Any]) -> list[str]:
    """What adaptive rollouts saved."""
    notes = record.get("notes", {})
    return [f"{notes['of'] - notes['asked']} of {notes['of']} not needed"] if notes.get("of") else []


def funnel_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """The funnel for a terminal; below it, the indexes that vectors were searched with."""
    table = Table(title="Funnel: in = kept + dropped, in every row", title_justify="left")
    table.caption, table.caption_justify = "\n".join(search_lines(records)), "left"
    for name in ("stage", "rows"):
        table.add_column(name)
    for name in ("in", "kept", "dropped", "asked", "tokens", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("dropped, by reason", overflow="fold")
    for row in funnel_rows(records):
        reasons = row["reasons"].replace(", ", "\n")
        numbers = ["?" if row[n] is None else f"{row[n]:,}" for n in ("in", "kept", "dropped", "asked", "tokens")]
        table.add_row(row["stage"], row["rows"], *numbers, f"{row['seconds']:.1f}", reasons)
    return table


def search_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each kind of index that a stage searched: `dedup: ivf search on CPU: …, recall 0.994`."""
    lines = []
    for record in records:
        for note in record.get("notes", {}).get("searches", ()):
            recall = "" if note["recall"] is None else f", recall {note['recall']}"
            others = f" (the largest of {note['searches']})" if note["searches"] > 1 else ""
            lines.append(f"{record['stage']}: {note['largest']}{recall}{others}")
    return lines
