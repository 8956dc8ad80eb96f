"""The sample: one question about zero, one or many media, with a gold answer that can be checked."""

import polars as pl

MEDIA = pl.Struct(
    {
        "kind": pl.String(),
        "sha256": pl.String(),
        "width": pl.Int32(),
        "height": pl.Int32(),
        "duration": pl.Float64(),
        "role": pl.String(),
        "derived_from": pl.String(),
        "position": pl.Int32(),
    }
)
"""A media item. Bytes are stored once, by `sha256`; `derived_from` is JSON `{media, op, params}` or null. `position` is
where it is in the question, in characters; null for all items of a row: before the text."""

SOURCE = pl.Struct(
    {"dataset": pl.String(), "split": pl.String(), "row": pl.String(), "license": pl.String(), "url": pl.String()}
)

ANSWER = pl.Struct({"kind": pl.String(), "raw": pl.String(), "parsed": pl.String()})
"""The gold answer: its kind, the string as published, and the parsed answer as JSON (see `schemas.answer`)."""

VERIFIER = pl.Struct({"id": pl.String(), "params": pl.String()})
"""Which verifier judges responses to this row, and its parameters as JSON."""

SAMPLE = pl.Schema(
    {
        "id": pl.String(),
        "source": SOURCE,
        "group_id": pl.String(),
        "parent_id": pl.String(),
        "variant": pl.String(),
        "media": pl.List(MEDIA),
        "question": pl.String(),
        "options": pl.List(pl.String),
        "answer": ANSWER,
        "verifier": VERIFIER,
        "lang": pl.String(),
        "domain": pl.String(),
        "meta": pl.String(),
    }
)
"""The same columns for every source and modality, so that tables of different sources always concatenate."""
