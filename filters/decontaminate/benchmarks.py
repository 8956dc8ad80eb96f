"""Evaluation sets: the ready entries, and what is stored of one — its texts and the hashes of its images."""

import difflib
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from filters.dedup.content import question_texts
from schemas.errors import ConfigError

_IMAGE = pl.Struct({"sha256": pl.String, "phash": pl.UInt64, "thumb": pl.Binary})

BENCHMARK = pl.Schema(
    {
        "benchmark": pl.String(),
        "row": pl.String(),
        "key": pl.String(),
        "text": pl.String(),
        "images": pl.List(_IMAGE),
    }
)
"""A question of an evaluation set. `key` and `text` are those of `filters.dedup.content.question_texts`."""


@cache
def _entries() -> dict[str, list[dict[str, Any]]]:
    text = (Path(__file__).parent / "benchmarks.yaml").read_text(encoding="utf-8")
    entries: dict[str, list[dict[str, Any]]] = yaml.safe_load(text)
    return entries


def known_benchmarks() -> list[str]:
    """The names of the ready entries."""
    return sorted(_entries())


def benchmark_sources(name: str) -> list[dict[str, Any]]:
    """The sources of a ready entry, as fields of a recipe's `huggingface` source; raises ConfigError for another name."""
    if name not in _entries():
        near = difflib.get_close_matches(name, known_benchmarks(), 1, 0.3) or known_benchmarks()[:1]
        known = ", ".join(known_benchmarks())
        raise ConfigError(f"no evaluation set '{name}'; did you mean '{near[0]}'? Ready entries: {known}")
    found = []
    for entry in _entries()[name]:
        fields = {key: value for key, value in entry.items() if key != "each"}
        each: dict[str, Sequence[str]] = entry.get("each", {})
        for values in product(*each.values()):
            chosen = dict(zip(each, values, strict=True))
            parts = [name, *(chosen.get(key, fields.get(key, "")) for key in ("subset", "split"))]
            label = "/".join("-".join(part.replace("(", "").replace(")", "").split()) for part in parts if part)
            found.append({"type": "huggingface", "name": label, **fields, **chosen})
    return found


def benchmark_table(name: str, rows: pl.DataFrame, hashes: pl.DataFrame) -> pl.DataFrame:
    """What is stored of an evaluation set: `BENCHMARK` rows out of samples and `filters.dedup.image_hash.image_hashes`.

    `row` is the source's own name of the row, else the sample's id. Answers and images are not stored.
    """
    numbered = rows.with_row_index("place")
    media = numbered.select("place", m=pl.col("media").fill_null([])).explode("m", empty_as_null=False).unnest("m")
    shas = media.filter(pl.col("kind").fill_null("image") == "image").select("place", "sha256")
    known = shas.join(hashes, on="sha256", how="left", maintain_order="left")
    images = known.group_by("place", maintain_order=True).agg(images=pl.struct("sha256", "phash", "thumb"))
    row = pl.coalesce(pl.col("source").struct.field("row"), "id")
    table = numbered.select("place", benchmark=pl.lit(name), row=row)
    texts = question_texts(rows).select("key", "text")
    joined = table.hstack(texts).join(images, on="place", how="left", maintain_order="left")
    return joined.with_columns(pl.col("images").fill_null([])).select(*BENCHMARK).cast(BENCHMARK)
