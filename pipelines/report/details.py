"""All that is known of the samples that a report shows: texts, verdicts, counts. Long texts are cut in the middle.

Each table is read once, for the chosen samples only and cut short as it is read, so that memory depends on how many
samples are shown and not on how many there are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from filters.intervals import wilson
from pipelines.report.origin import Origin

LENGTHS = {"question": 2_000, "caption": 1_500, "trace": 2_000, "rollout": 600, "evidence": 1_000}
"""Characters of each text that are shown."""
ROLLOUTS = 16
"""Rollouts of each model that are shown."""

Samples = Iterator[list[dict[str, Any]]]


def samples(origin: Origin, chosen: pl.DataFrame, size: int) -> Samples:
    """The chosen samples (rows of `FATES`), in their order, in lists of `size`.

    Each is a dict: `id, outcome, source, band, question, options, answer, kind, verifier, pictures` (their SHA-256),
    `caption`, and lists of dicts `drops, measures, traces, rollouts, checks`.
    """
    rows = chosen.with_row_index("place")
    ids = rows.select("place", "id")
    facts = _of_samples(origin, ids)
    parts = {name: _grouped(table, ids) for name, table in _parts(origin, ids).items()}
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


def _of_samples(origin: Origin, ids: pl.DataFrame) -> pl.DataFrame:
    """What there is once for each sample."""
    found = [_released(table) for _, table in origin.configs()]
    if (known := origin.table("ingest")) is not None:
        answer, media = pl.col("answer").struct, pl.col("media")
        shown = media.list.eval(
            pl.element().filter(pl.element().struct.field("kind") == "image").struct.field("sha256")
        )
        told = known.select(
            "id",
            "question",
            "options",
            answer=answer.field("raw"),
            kind=answer.field("kind"),
            verifier=pl.col("verifier").struct.field("id"),
            row=pl.col("source").struct.field("row"),
            pictures=shown,
        )
        found.insert(0, told)
    wanted = ids.lazy().select("id")
    tables = [wanted.join(t, on="id").with_columns(cut("question", LENGTHS["question"])) for t in found]
    if not tables:
        return ids.select("id")
    facts = pl.concat([t.collect(engine="streaming") for t in tables], how="diagonal_relaxed")
    facts = facts.unique("id", keep="first", maintain_order=True)
    if (captions := origin.table("caption")) is not None:
        told = wanted.join(captions.select("id", cut("caption", LENGTHS["caption"])), on="id")
        facts = facts.join(told.collect(engine="streaming"), on="id", how="left")
    return facts


def _released(table: pl.LazyFrame) -> pl.LazyFrame:
    """What a config of the release says of its samples; pictures are named by their hashes."""
    answer = pl.col("answer").str.json_path_match
    turns = pl.col("prompt").list.eval(
        pl.element().filter(pl.element().struct.field("role") == "user").struct.field("content")
    )
    names = pl.col("images").list.eval(
        pl.element().struct.field("path").str.split("/").list.last().str.split(".").list.first()
    )
    return table.select(
        "id",
        "options",
        "verifier",
        question=turns.list.first(),
        answer=answer("$.raw"),
        kind=answer("$.kind"),
        pictures=names,
    )


def _parts(origin: Origin, ids: pl.DataFrame) -> dict[str, pl.LazyFrame]:
    """What there may be several of for each sample: tables with `sample_id`."""
    drops = origin.dropped().select("sample_id", "stage", "reason", "id", cut("evidence", LENGTHS["evidence"]))
    wanted = ids.lazy().select(sample_id="id")
    found = {"drops": drops, "measures": _measures(origin), "traces": _traces(origin, wanted)}
    found |= {"rollouts": _rollouts(origin, wanted), "checks": _checks(origin)}
    return {name: table for name, table in found.items() if table is not None}


def _measures(origin: Origin) -> pl.LazyFrame | None:
    columns = ("model", "k", "n")
    low, high = wilson(1.96)
    table = origin.table("difficulty", "measures")
    if table is None:
        tables = [t.select("id", *columns) for _, t in origin.configs()]
        if not tables:
            return None
        table = pl.concat(tables).filter(pl.col("n").is_not_null()).unique(maintain_order=True)
    return table.select(
        "model", "k", "n", sample_id="id", low=low.fill_nan(None).round(3), high=high.fill_nan(None).round(3)
    )


def _traces(origin: Origin, wanted: pl.LazyFrame) -> pl.LazyFrame | None:
    """Every trace with its verdict; of a release alone, those that are trained on."""
    said = origin.table("distill")
    if said is None:
        sft = origin.config("sft")
        if sft is None:
            return None
        text = pl.col("completion").list.first().struct.field("content")
        return sft.select("index", sample_id="id", text=text).with_columns(cut("text", LENGTHS["trace"]))
    table = said.join(wanted, on="sample_id", how="semi").select(
        "id", "sample_id", "index", "final", "tokens", "finish_reason", text="reasoning"
    )
    if (verdicts := origin.table("verify")) is not None:
        told = verdicts.select("id", "correct", "tier", "explanation", "extracted")
        table = table.join(told, on="id", how="left")
    if (mended := origin.table("rewrite")) is not None:
        own = mended.select("id", rewritten="reasoning").with_columns(cut("rewritten", LENGTHS["trace"]))
        table = table.join(own, on="id", how="left")
    return table.with_columns(cut("text", LENGTHS["trace"]), cut("final", LENGTHS["rollout"]))


def _rollouts(origin: Origin, wanted: pl.LazyFrame) -> pl.LazyFrame | None:
    said, scores = origin.table("rollouts"), origin.table("score")
    if said is None:
        return None
    table = said.filter(pl.col("index") < ROLLOUTS).join(wanted, on="sample_id", how="semi")
    table = table.select("id", "sample_id", "model", "index", "finish_reason", "tokens", "text")
    if scores is not None:
        told = scores.select("id", "correct", "score", "tier", "explanation", "extracted")
        table = table.join(told, on="id", how="left")
        if (judged := origin.table("judge_rollouts")) is not None:
            own = judged.select("id", judged="correct")
            table = table.join(own, on="id", how="left").with_columns(correct=pl.coalesce("correct", "judged"))
    return table.with_columns(cut("text", LENGTHS["rollout"]))


def _checks(origin: Origin) -> pl.LazyFrame | None:
    table = origin.table("checks", "results")
    return None if table is None else table.select("check", "model", "k", "n", sample_id="id")
