"""The funnel: what became of every row, step by step, and what this build did for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from pipelines.explain.recorded import plural
from pipelines.release.card_text import recall
from schemas.engine import CacheUse


def funnel_rows(records: Sequence[Mapping[str, Any]], run: str | None = None) -> list[dict[str, Any]]:
    """One flat row a step: counts of all its rows, and what the build `run` asked and took for them.

    `work` says which of it this build did: nothing (`reused`), some buckets, or all of them. Without a `run` what is
    recorded last of each step counts as done by it. `tokens` is None where a server did not count them.
    """
    return [_row(record, run) for record in records]


def _row(record: Mapping[str, Any], run: str | None) -> dict[str, Any]:
    parts = record["buckets"].values()
    computed = sum(run in (None, part.get("run")) for part in parts)
    asked = record.get("asked", {}).values() if computed else ()
    return {
        "step": record["step"],
        "rows": record["unit"],
        "of": record["of"],
        "in": record["in"],
        "kept": record["kept"],
        "dropped": sum(record["dropped"].values()),
        "gone": record["gone"],
        "reasons": ", ".join([*words(record), *(_known(record, run) if computed else ())]),
        "asked": sum(cost["samples"] for cost in asked),
        "tokens": _tokens(asked),
        "seconds": record["seconds"] if computed else 0.0,
        "work": "" if computed == len(parts) else f"{computed} of {len(parts)} buckets" if computed else "reused",
    }


def words(record: Mapping[str, Any]) -> Iterable[str]:
    """What else there is to say of a step's rows, a few words each: fan-out, drops by reason, rows that it left alone."""
    if record["makes"] and record["type"] != "ingest":
        made, of = record["kept"], record["in"]
        yield f"{made:,} {plural(record['unit'], made)} of {of:,} {plural(record['of'], of)}"
    yield from (f"{count:,} {reason}" for reason, count in record["dropped"].items())
    if retired := record["notes"].get("retired"):
        yield f"{retired:,} retired for what was made of them"
    yield from recall(record["notes"])
    for fact, label in (("passed", "passed by `where`"), ("undecided", "undecided, of these")):
        if record[fact]:
            yield f"{record[fact]:,} {label}"


def _known(record: Mapping[str, Any], run: str | None) -> Iterable[str]:
    """How many of the replies that this build wanted were in the log already."""
    wanted = sum(part.get("requested", 0) for part in record["buckets"].values() if run in (None, part.get("run")))
    asked = sum(cost["samples"] + cost["refused"] for cost in record.get("asked", {}).values())
    if wanted > asked:
        yield f"{wanted - asked:,} of {wanted:,} replies from the log"
    yield from _cached(record.get("asked", {}).values())


def _cached(asked: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """What engines that count it found of the prompts in their caches."""
    use = [CacheUse(**cost["cache"]) for cost in asked if "cache" in cost]
    tokens, images = sum(one.prompt_tokens for one in use), sum(one.images for one in use)
    if tokens:
        yield f"{sum(one.cached_tokens for one in use) / tokens:.0%} of prompt tokens cached"
    if images:
        yield f"{sum(one.cached_images for one in use):,} of {images:,} {plural('image', images)} cached"


def funnel_table(records: Sequence[Mapping[str, Any]], run: str | None = None) -> Table:
    """The funnel on a terminal. Rows that went with what they were made from have a line of their own."""
    table = Table(title="Funnel", title_justify="left")
    for name in ("step", "rows"):
        table.add_column(name)
    for name in ("in", "kept", "dropped"):
        table.add_column(name, justify="right")
    table.add_column("reasons", overflow="fold")
    for name in ("asked", "tokens", "s"):
        table.add_column(name, justify="right")
    for row in funnel_rows(records, run):
        numbers = (f"{row[name]:,}" for name in ("in", "kept", "dropped"))
        tokens = "?" if row["tokens"] is None else f"{row['tokens']:,}" if row["tokens"] else ""
        seconds = "reused" if row["work"] == "reused" else f"{row['seconds']:.1f}"
        reasons = ", ".join(text for text in (row["reasons"], row["work"]) if text and text != "reused")
        asked = f"{row['asked']:,}" if row["asked"] else ""
        table.add_row(row["step"], row["rows"], *numbers, reasons, asked, tokens, seconds)
        if row["gone"]:
            table.add_row("", row["of"], f"{row['gone']:,}", "", "", "gone with what they were made from")
    return table


def _tokens(asked: Iterable[Mapping[str, Any]]) -> int | None:
    """Tokens of all models of a step; None where a server did not count them."""
    counts = [cost[kind] for cost in asked for kind in ("prompt_tokens", "completion_tokens")]
    return None if None in counts else sum(counts)


def all_warnings(records: list[dict[str, Any]]) -> list[str]:
    """What a user should know of a build: each sentence with the name of its step."""
    return [f"{record['step']}: {sentence}" for record in records for sentence in record["warnings"]]
