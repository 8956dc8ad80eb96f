"""Rows that passed all checks become the columns of samples."""

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.ingest.draft import Draft
from pipelines.sources.given import PREFIX
from pipelines.sources.section import SourceSection
from schemas.ids import content_id
from schemas.sample import MEDIA, SAMPLE

MEDIA_FIELDS = {f.name: f.dtype for f in MEDIA.fields}


def samples(
    drafts: Sequence[Draft], source: SourceSection, columns: Mapping[str, pl.DataType], given: pl.DataFrame
) -> pl.DataFrame:
    """The kept rows. Structs are put together from flat columns: polars is slow at reading rows of dicts.

    `given` are the columns of the source that samples keep, of the same rows; of `columns` those that it lacks are null.
    """
    rows = [d.row for d in drafts]
    texts = {
        "id": [d.id for d in drafts],
        "group_id": [_group(d) for d in drafts],
        "question": [row["question"] for row in rows],
        "raw": [row["answer"] for row in rows],
        "kind": [d.kind for d in drafts],
        "parsed": [d.parsed for d in drafts],
        "params": [d.params for d in drafts],
        "row": [row["row"] for row in rows],
        "lang": [row["lang"] or None for row in rows],
        "domain": [row["domain"] or None for row in rows],
        "meta": [d.meta for d in drafts],
    }
    options = pl.Series("options", [row["options"] or [] for row in rows], pl.List(pl.String))
    flat = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String)).with_columns(options, _media(drafts))
    own = {
        name: given[PREFIX + name].cast(dtype) if PREFIX + name in given.columns else pl.lit(None, dtype)
        for name, dtype in columns.items()
    }
    facts = {"dataset": source.name, "split": source.split, "license": source.terms, "url": source.url}
    whole = flat.with_columns(
        source=pl.struct(*(pl.lit(v, pl.String).alias(k) for k, v in facts.items()), "row"),
        parent_id=pl.lit(None, pl.String),
        variant=pl.lit("orig"),
        answer=pl.struct("kind", "raw", "parsed"),
        verifier=pl.struct(pl.col("kind").alias("id"), "params"),
    )
    return whole.select([pl.col(name).cast(kind) for name, kind in SAMPLE.items()]).with_columns(**own)


def _media(drafts: Sequence[Draft]) -> pl.Series:
    items = [
        m.media | {"position": d.positions[place] if d.positions else None}
        for d in drafts
        for place, m in enumerate(d.media)
    ]
    flat = pl.DataFrame({name: [item.get(name) for item in items] for name in MEDIA_FIELDS}, schema=MEDIA_FIELDS)
    owner = pl.Series([place for place, d in enumerate(drafts) for _ in d.media], dtype=pl.UInt32)
    lists = flat.select(owner.alias("place"), pl.struct(pl.all()).alias("media")).group_by("place").agg("media")
    every = pl.DataFrame({"place": pl.Series(range(len(drafts)), dtype=pl.UInt32)})
    joined = every.join(lists, on="place", how="left", maintain_order="left")["media"]
    return joined.fill_null(pl.Series([[]], dtype=joined.dtype))


def _group(draft: Draft) -> str:
    """The unit of splitting: the group that the source names, else the first image, else the question."""
    if draft.row["group"]:
        return str(draft.row["group"])
    if draft.media:
        return str(draft.media[0].media["sha256"])
    return content_id(draft.row["question"])
