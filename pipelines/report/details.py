"""All that is known of the samples that a report shows: texts, verdicts, counts. Long texts are cut in the middle.

Each table is read once, for the chosen samples only and cut short as it is read, so that memory depends on how many
samples are shown and not on how many there are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from filters.intervals import wilson
from pipelines.report.origin import Origin

LENGTHS = {
    "question": 2_000,
    "answer": 600,
    "option": 300,
    "caption": 1_500,
    "trace": 2_000,
    "rollout": 600,
    "evidence": 1_000,
}
"""Characters of each text that are shown."""
ROLLOUTS = 16
"""Rollouts of each model that are shown."""
OPTIONS = 26
"""Options of a question that are shown."""

Samples = Iterator[list[dict[str, Any]]]


def samples(origin: Origin, chosen: pl.DataFrame, size: int) -> Samples:
    """The chosen samples (rows of `FATES`), in their order, in lists of `size`.

    Each is a dict: `id, outcome, source, band, question, options, answer, kind, verifier, pictures` (their SHA-256),
    `caption`, and lists of dicts `drops, measures, traces, rollouts, checks`.
    """
    rows = chosen.with_row_index("place")
    ids = rows.select("place", "id")
    facts = _of_samples(origin, ids["id"])
    parts = {name: _grouped(table, ids) for name, table in _parts(origin, ids["id"]).items()}
    table = rows.select("place", "id", "outcome", "source", "band").join(facts, on="id", how="left")
    for name, part in parts.items():
        table = table.join(part.rename({"parts": name}), on="place", how="left", maintain_order="left")
    table = table.sort("place").drop("place")
    for piece in table.iter_slices(size):
        yield [_slim(row) for row in piece.iter_rows(named=True)]


def cut(column: str, length: int) -> pl.Expr:
    """A text of at most about `length` characters: its beginning and its end, with what was left out counted."""
    text = pl.col(column)
    left_out = text.str.len_chars().cast(pl.Int64) - length
    ends = (text.str.head(length * 2 // 3), text.str.tail(length - length * 2 // 3))
    short = pl.format("{} […{} characters…] {}", ends[0], left_out, ends[1])
    return pl.when(left_out > 0).then(short).otherwise(text).alias(column)


def _of(table: pl.LazyFrame, ids: pl.Series, column: str = "sample_id") -> pl.LazyFrame:
    """The rows of some samples. Not a join: so parquet readers decode the texts of these rows only (5 times faster)."""
    return table.filter(pl.col(column).is_in(ids.implode()))


def _slim(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null or empty."""
    return {
        key: [_slim(v) if isinstance(v, dict) else v for v in value] if isinstance(value, list) else value
        for key, value in row.items()
        if value is not None and value != []
    }


def _grouped(table: pl.LazyFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """`place, parts`: the rows of `table` (which has `sample_id`) of each chosen sample, as a list of structs."""
    found = ids.lazy().rename({"id": "sample_id"}).join(table, on="sample_id").drop("sample_id")
    rows = found.collect(engine="streaming")
    inner = pl.struct(pl.exclude("place")).alias("parts")
    ordered = rows.sort("place", *[c for c in ("model", "index", "check") if c in rows.columns], maintain_order=True)
    return ordered.group_by("place", maintain_order=True).agg(inner)


def _of_samples(origin: Origin, ids: pl.Series) -> pl.DataFrame:
    """What there is once for each sample: from the build, or of a release alone from its own rows."""
    known = origin.table("ingest")
    tables = [_ingested(known, ids)] if known is not None else [_released(t, ids) for _, t in origin.configs()]
    if not tables:
        return ids.to_frame()
    few = pl.col("options").list.head(OPTIONS).list.eval(pl.element().str.head(LENGTHS["option"]))
    short = (cut("question", LENGTHS["question"]), cut("answer", LENGTHS["answer"]), few)
    found = [t.with_columns(short).collect(engine="streaming") for t in tables]
    facts = pl.concat(found, how="diagonal_relaxed").unique("id", keep="first", maintain_order=True)
    if (captions := origin.table("caption")) is not None:
        told = _of(captions, ids, "id").select("id", cut("caption", LENGTHS["caption"]))
        facts = facts.join(told.collect(engine="streaming"), on="id", how="left")
    return facts


def _ingested(table: pl.LazyFrame, ids: pl.Series) -> pl.LazyFrame:
    """What ingest says of samples; pictures are named by their hashes."""
    answer, source = pl.col("answer").struct, pl.col("source").struct
    item = pl.element().struct
    return _of(table, ids, "id").select(
        "id",
        "question",
        "options",
        answer=answer.field("raw"),
        kind=answer.field("kind"),
        verifier=pl.col("verifier").struct.field("id"),
        row=source.field("row"),
        pictures=pl.col("media").list.eval(pl.element().filter(item.field("kind") == "image").struct.field("sha256")),
    )


def _released(table: pl.LazyFrame, ids: pl.Series) -> pl.LazyFrame:
    """The same of a config of the release."""
    answer = pl.col("answer").str.json_path_match
    turns = pl.col("prompt").list.eval(
        pl.element().filter(pl.element().struct.field("role") == "user").struct.field("content")
    )
    names = pl.col("images").list.eval(
        pl.element().struct.field("path").str.split("/").list.last().str.split(".").list.first()
    )
    return _of(table, ids, "id").select(
        "id",
        "options",
        "verifier",
        question=turns.list.first(),
        answer=answer("$.raw"),
        kind=answer("$.kind"),
        pictures=names,
    )


def _parts(origin: Origin, ids: pl.Series) -> dict[str, pl.LazyFrame]:
    """What there may be several of for each sample: tables with `sample_id`."""
    drops = _of(origin.dropped(), ids).select(
        "sample_id", "stage", "reason", "id", cut("evidence", LENGTHS["evidence"])
    )
    found = {"drops": drops, "measures": _measures(origin, ids), "traces": _traces(origin, ids)}
    found |= {"rollouts": _rollouts(origin, ids), "checks": _checks(origin, ids)}
    return {name: table for name, table in found.items() if table is not None}


def _measures(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    columns = ("model", "k", "n")
    low, high = wilson(1.96)
    table = origin.table("difficulty", "measures")
    if table is None:
        tables = [t.select("id", *columns) for _, t in origin.configs()]
        if not tables:
            return None
        table = pl.concat(tables).filter(pl.col("n").is_not_null()).unique(maintain_order=True)
    return _of(table, ids, "id").select(
        "model", "k", "n", sample_id="id", low=low.fill_nan(None).round(3), high=high.fill_nan(None).round(3)
    )


def _traces(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    """Every trace with its verdict; of a release alone, those that are trained on."""
    said = origin.table("distill")
    if said is None:
        sft = origin.config("sft")
        if sft is None:
            return None
        text = pl.col("completion").list.first().struct.field("content")
        return (
            _of(sft, ids, "id").select("index", sample_id="id", text=text).with_columns(cut("text", LENGTHS["trace"]))
        )
    table = _of(said, ids).select("id", "sample_id", "index", "final", "tokens", "finish_reason", text="reasoning")
    if (verdicts := origin.table("verify")) is not None:
        told = _of(verdicts, ids).select("id", "correct", "tier", cut("explanation", LENGTHS["option"]))
        table = table.join(told, on="id", how="left")
    if (mended := origin.table("rewrite")) is not None:
        own = mended.select("id", rewritten="reasoning").with_columns(cut("rewritten", LENGTHS["trace"]))
        table = table.join(own, on="id", how="left")
    return table.with_columns(cut("text", LENGTHS["trace"]), cut("final", LENGTHS["rollout"]))


def _rollouts(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    said, scores = origin.table("rollouts"), origin.table("score")
    if said is None:
        return None
    table = _of(said, ids).filter(pl.col("index") < ROLLOUTS)
    table = table.select("id", "sample_id", "model", "index", "finish_reason", "tokens", "text")
    if scores is not None:
        told = _of(scores, ids).select("id", "correct", "tier", cut("explanation", LENGTHS["option"]))
        table = table.join(told, on="id", how="left")
        if (judged := origin.table("judge_rollouts")) is not None:
            own = judged.select("id", judged="correct")
            table = table.join(own, on="id", how="left").with_columns(correct=pl.coalesce("correct", "judged"))
    return table.with_columns(cut("text", LENGTHS["rollout"]))


def _checks(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    table = origin.table("checks", "results")
    return None if table is None else _of(table, ids, "id").select("check", "model", "k", "n", sample_id="id")
