"""What the answers make of the rows: columns, or rows of a unit; and a reason for each that is lost."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from generators.asking.columns import Given, given
from generators.asking.config import AskConfig
from generators.asking.outcomes import Answer
from generators.asking.requests import Asking
from generators.asking.slots import Slot, by_row
from generators.rendering import NullField, RenderError
from schemas.ids import canonical_json, content_id
from schemas.reply_row import REPLY
from schemas.split import DROPPED
from schemas.step import Context, Out, Tables

SHOWN = 200
"""Characters of a reply that cannot be read which go into the evidence."""
_UNKNOWN = ("unanswered", "error")


def body(tables: Tables, config: AskConfig, context: Context) -> Out:
    """Columns for each row, or with `makes` a row for each reply. Both say `name:cause` of what is missing.

    Causes are those of `generators.asking.outcomes`, and for a row that cannot be rendered `null_field`, `too_long` and
    `prompt`.
    """
    gives = {name: dtype for name, (_, dtype) in given(config.reply, config.gives, config.makes, context.name).items()}
    if config.makes is None:
        schema, lost = {"id": pl.String(), **gives}, DROPPED
        found = _columns(tables, config, context)
    else:
        schema = {"id": pl.String(), "parent_id": pl.String(), **REPLY, **gives}
        lost = pl.Schema({**DROPPED, "parent_id": pl.String()})
        found = _made(tables, config, context)
    rows: list[dict[str, Any]] = []
    drops: list[dict[str, Any]] = []
    for row in found:
        (drops if "reason" in row else rows).append(row)
    return Out(pl.DataFrame(rows, schema=schema), pl.DataFrame(drops, schema=lost))


def _columns(tables: Tables, config: AskConfig, context: Context) -> Iterator[dict[str, Any]]:
    names = given(config.reply, config.gives, config.makes, context.name)
    [model] = config.models
    for row, mine in _slots(tables, config):
        if isinstance(mine, RenderError):
            yield {"id": row["id"]} | _lost(context, mine.cause, _why(mine))
            continue
        [slot] = mine[model]
        cause = slot.outcome.cause
        if cause is not None and _fate(config, cause) == "drop":
            yield {"id": row["id"]} | _lost(context, cause, _evidence(slot))
        else:
            yield {"id": row["id"]} | _values(slot, names)


def _made(tables: Tables, config: AskConfig, context: Context) -> Iterator[dict[str, Any]]:
    names = given(config.reply, config.gives, config.makes, context.name)
    for row, mine in _slots(tables, config):
        for model in config.models:
            whose = {"model": model} if len(config.models) > 1 else {}  # of a reply that is lost, this alone tells it
            if isinstance(mine, RenderError):
                for index in range(config.n):
                    yield _ids(context, row, model, index) | _lost(context, mine.cause, _why(mine) | whose)
                continue
            for slot in mine[model]:
                ids, cause = _ids(context, row, model, slot.counts.sample), slot.outcome.cause
                if cause is not None and _fate(config, cause) == "drop":
                    yield ids | _lost(context, cause, _evidence(slot) | whose)
                else:
                    yield ids | _reply(slot, model, context) | _values(slot, names)


def _slots(tables: Tables, config: AskConfig) -> Iterator[tuple[dict[str, Any], dict[str, list[Slot]] | RenderError]]:
    """Each row with the replies that it is owed by each model, or why it could not be asked."""
    asking, found = Asking(config), by_row(tables.answers)
    for row in tables.rows.iter_rows(named=True):
        try:
            put = asking.put(row)
        except RenderError as error:
            yield row, error
            continue
        mine = found.get(row["id"], {})
        yield row, {model: asking.slots(row, put, mine.get(model, [])) for model in config.models}


def _fate(config: AskConfig, cause: str) -> str:
    return config.unanswered if cause in _UNKNOWN else config.unreadable


def _ids(context: Context, row: Mapping[str, Any], model: str, index: int) -> dict[str, str]:
    return {"id": content_id([context.name, row["id"], model, index]), "parent_id": row["id"]}


def _reply(slot: Slot, model: str, context: Context) -> dict[str, Any]:
    answer, outcome = slot.counts, slot.outcome
    return {
        "model": model,
        "index": answer.sample,
        "text": outcome.text,
        **(outcome.reading._asdict() if outcome.reading else {}),
        "finish_reason": answer.finish_reason,
        "tokens": answer.tokens,
        "gold_visible": context.gold_visible,
    }


def _values(slot: Slot, names: Mapping[str, Given]) -> dict[str, Any]:
    """The columns that a reply gives, by the place in it that each comes from; nulls where it cannot be read."""
    outcome = slot.outcome
    if outcome.cause is not None:
        return dict.fromkeys(names)
    read = {**(outcome.reading._asdict() if outcome.reading else {}), "text": outcome.spoken, **outcome.values}
    return {name: read[source] for name, (source, _) in names.items()}


def _lost(context: Context, cause: str, evidence: Mapping[str, Any]) -> dict[str, str]:
    known = {name: value for name, value in evidence.items() if value is not None}
    return {"reason": f"{context.name}:{cause}", "evidence": canonical_json(known)}


def _why(error: RenderError) -> dict[str, Any]:
    return {"field": error.name} if isinstance(error, NullField) else {"error": str(error)}


def _evidence(slot: Slot) -> dict[str, Any]:
    answer: Answer = slot.counts
    reply = None if slot.outcome.text is None else slot.outcome.text[:SHOWN]
    return {"tries": len(slot.tries), "tokens": answer.tokens, "error": answer.error, "reply": reply}
