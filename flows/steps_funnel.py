"""The funnel of a recipe of steps: what became of every row, step by step, with what the models cost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table


def funnel_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One flat row a step: counts, reasons, tokens, seconds."""
    return [
        {
            "step": record["step"],
            "rows": record["unit"],
            "in": record["in"],
            "kept": record["kept"],
            "dropped": sum(record["dropped"].values()),
            "reasons": ", ".join(words(record)),
            "asked": sum(cost["samples"] for cost in record.get("asked", {}).values()),
            "tokens": _tokens(record),
            "seconds": record["seconds"],
        }
        for record in records
    ]


def words(record: Mapping[str, Any]) -> Iterable[str]:
    """What else there is to say of a step's rows, a few words each: drops by reason, fan-out, rows that it left alone."""
    if record["makes"] and record["type"] != "ingest":
        yield f"{record['kept']:,} {record['unit']} rows of {record['in']:,} {record['of']} rows"
    yield from (f"{count:,} {reason}" for reason, count in record["dropped"].items())
    for fact, said in (
        ("passed", "passed by `where`"),
        ("undecided", "undecided, of these"),
        ("gone", "gone with what they were made from"),
    ):
        if record[fact]:
            yield f"{record[fact]:,} {said}"


def funnel_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """The funnel on a terminal."""
    table = Table(title="Funnel", title_justify="left")
    for name in ("step", "rows"):
        table.add_column(name)
    for name in ("in", "kept", "dropped"):
        table.add_column(name, justify="right")
    table.add_column("reasons", overflow="fold")
    for name in ("asked", "tokens", "s"):
        table.add_column(name, justify="right")
    for row in funnel_rows(records):
        numbers = (f"{row[name]:,}" for name in ("in", "kept", "dropped"))
        asked = (f"{row['asked']:,}" if row["asked"] else "", f"{row['tokens']:,}" if row["tokens"] else "")
        table.add_row(row["step"], row["rows"], *numbers, row["reasons"], *asked, f"{row['seconds']:.1f}")
    return table


def _tokens(record: Mapping[str, Any]) -> int:
    costs = record.get("asked", {}).values()
    return sum((cost["prompt_tokens"] or 0) + (cost["completion_tokens"] or 0) for cost in costs)
