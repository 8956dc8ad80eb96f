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

    Each is a dict: `id, outcome, source, band, question, options, answer, kind, verifier, images` (their SHA-256),
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
    known = origin.rows("sample", *_ASKED, "caption", of=ids)
    tables = [_asked(known)] if known is not None else [_released(t, ids) for _, t in origin.configs()]
    if not tables:
        return ids.to_frame()
    few = pl.col("options").list.head(OPTIONS).list.eval(pl.element().str.head(LENGTHS["option"]))
    short = (cut("question", LENGTHS["question"]), cut("answer", LENGTHS["answer"]), few)
    found = [t.with_columns(short).collect(engine="streaming") for t in tables]
    return pl.concat(found, how="diagonal_relaxed").unique("id", keep="first", maintain_order=True)


_ASKED = ("question", "options", "answer", "verifier", "source", "media")


def _asked(table: pl.LazyFrame) -> pl.LazyFrame:
    """What a build says of its samples; images are named by their hashes."""
    answer, source = pl.col("answer").struct, pl.col("source").struct
    item = pl.element().struct
    caption = [cut("caption", LENGTHS["caption"])] if "caption" in table.collect_schema() else []
    return table.select(
        "id",
        "question",
        "options",
        *caption,
        answer=answer.field("raw"),
        kind=answer.field("kind"),
        verifier=pl.col("verifier").struct.field("id"),
        row=source.field("row"),
        images=pl.col("media").list.eval(pl.element().filter(item.field("kind") == "image").struct.field("sha256")),
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
        images=names,
    )


def _parts(origin: Origin, ids: pl.Series) -> dict[str, pl.LazyFrame]:
    """What there may be several of for each sample: tables with `sample_id`."""
    drops = _of(origin.dropped(), ids).select("sample_id", "step", "reason", "id", cut("evidence", LENGTHS["evidence"]))
    found = {"drops": drops, "measures": _measures(origin, ids), "traces": _traces(origin, ids)}
    found |= {"rollouts": _rollouts(origin, ids), "checks": _checks(origin, ids)}
    return {name: table for name, table in found.items() if table is not None}


def _measures(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    columns = ("model", "k", "n")
    low, high = wilson(1.96)
    tables = [t.select("id", *columns) for t in origin.tables("difficulty")]
    if not tables:
        tables = [t.select("id", *columns) for _, t in origin.configs() if set(columns) <= set(t.collect_schema())]
    if not tables:
        return None
    table = pl.concat(tables).filter(pl.col("n").is_not_null()).unique(maintain_order=True)
    return _of(table, ids, "id").select(
        "model", "k", "n", sample_id="id", low=low.fill_nan(None).round(3), high=high.fill_nan(None).round(3)
    )


_REPLY = ("text", "model", "index", "final", "tokens", "finish_reason", "correct", "tier", "explanation")


def _replies(origin: Origin, unit: str, ids: pl.Series) -> pl.LazyFrame | None:
    """The replies of a unit with their verdicts, without what no step gave."""
    table = origin.rows(unit, *_REPLY, "reasoning", of=ids, made="reasoning")
    if table is None or "explanation" not in table.collect_schema():
        return table
    return table.with_columns(cut("explanation", LENGTHS["option"]))


def _traces(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    """Every trace with its verdict and, where a step rewrote it, its words since; of a release alone, those trained on."""
    table = _replies(origin, "trace", ids)
    if table is None:
        text = pl.col("completion").list.first().struct.field("content")
        tables = [_of(t, ids, "id").select("index", sample_id="id", text=text) for t in origin.holding("completions")]
        return pl.concat(tables).with_columns(cut("text", LENGTHS["trace"])) if tables else None
    known = table.collect_schema()
    words = {"text": pl.coalesce(name for name in ("made", "reasoning", "text") if name in known)}
    if "made" in known:
        words["rewritten"] = pl.when(pl.col("reasoning").ne_missing(pl.col("made"))).then("reasoning")
    lengths = {"text": "trace", "rewritten": "trace", "final": "rollout"}
    rows = table.with_columns(**words)
    short = [cut(name, LENGTHS[size]) for name, size in lengths.items() if name in rows.collect_schema()]
    return rows.drop("reasoning", "made", "model", strict=False).with_columns(short)


def _rollouts(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    table = _replies(origin, "rollout", ids)
    if table is None:
        return None
    shown = table.filter(pl.col("index") < ROLLOUTS).drop("reasoning", "made", "final", strict=False)
    return shown.with_columns(cut("text", LENGTHS["rollout"]))


def _checks(origin: Origin, ids: pl.Series) -> pl.LazyFrame | None:
    tables = [t.select("check", "model", "k", "n", sample_id="id") for t in origin.tables("checks", "results")]
    return _of(pl.concat(tables), ids) if tables else None
