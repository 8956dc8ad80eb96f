"""Rows that an evaluation set already holds: found by n-grams, by embedding and by perceptual hash, dropped by name."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from filters.decontaminate.ngrams import shared_grams
from filters.dedup.content import question_texts
from filters.dedup.image_hash import PLAIN, ImageHashConfig, same_image_pairs
from filters.dedup.index import IndexConfig, RangeReader
from filters.dedup.rule import dropped_pairs
from filters.dedup.search import Report, logged, searcher, verified
from filters.dedup.space import MARGIN
from filters.dedup.vectors import Ints, Vectors, cosine
from schemas.section import Section
from schemas.split import Split

HITS = pl.Schema({"id": pl.String, "benchmark": pl.String, "row": pl.String, "by": pl.String, "score": pl.Float64})
"""A row of ours and a question of an evaluation set. `score`: share of n-grams, cosine, 1 - distance / 64, or 1 for text."""


class DecontaminateConfig(Section):
    """What counts as a question of an evaluation set."""

    ngram: int = Field(default=13, ge=2, description="any common run of so many words is a hit")
    short_ngram: int = Field(
        default=8, ge=2, description="runs of so many words are a hit when there are enough of them"
    )
    short_share: float = Field(default=0.5, gt=0, le=1, description="share of the question's short n-grams, at least")
    common: int = Field(default=25, ge=1, description="n-grams of more questions than this are boilerplate and ignored")
    text_threshold: float = Field(default=0.92, gt=0, le=1, description="cosine of the questions, at least")
    image_threshold: float = Field(default=0.97, gt=0, le=1, description="cosine of the images, with text_threshold")
    image: ImageHashConfig = Field(default_factory=ImageHashConfig, description="same image: a hit whatever is asked")
    index: IndexConfig = Field(default_factory=IndexConfig, description="how vectors are searched")

    @model_validator(mode="after")
    def _shorter(self) -> Self:
        if self.short_ngram > self.ngram:
            raise ValueError(f"short_ngram ({self.short_ngram}) must not be longer than ngram ({self.ngram})")
        return self


def drop_hits(rows: pl.DataFrame, hits: pl.DataFrame, config: DecontaminateConfig) -> Split:
    """Drop the rows that `hits` (of `contaminated`) name, as `decontaminate:<benchmark>`.

    Evidence: `benchmark`, `row`, `by`, `score` of the strongest hit: image, text, long n-gram, short n-grams, embedding.
    """
    order = pl.col("by").replace_strict({"image": 0, "text": 1, f"ngram{config.ngram}": 2, "embedding": 4}, default=3)
    best = hits.sort(order, -pl.col("score"), "benchmark", "row").unique("id", keep="first", maintain_order=True)
    kept, dropped = dropped_pairs(rows, best.rename({"row": "kept"}), "decontaminate")
    named = pl.col("evidence").str.json_path_match("$.benchmark")
    evidence = pl.col("evidence").str.replace('"kept":', '"row":', literal=True)
    return Split(kept, dropped.with_columns(reason=pl.lit("decontaminate:") + named, evidence=evidence))


def contaminated(
    rows: pl.DataFrame,
    benchmarks: pl.DataFrame,
    config: DecontaminateConfig,
    hashes: pl.DataFrame | None = None,
    vectors_text: Vectors | None = None,
    vectors_image: Vectors | None = None,
    report: Report = logged,
) -> pl.DataFrame:
    """Every hit, as `HITS`: what the data card lists.

    `benchmarks` are tables of `filters.decontaminate.benchmarks.benchmark_table`, concatenated. `hashes` (of
    `filters.dedup.image_hash.image_hashes`) are needed to compare images; vectors, keyed as for `drop_near` and holding
    those of the evaluation sets as well, to compare meanings. A row with images is a hit by embedding only if an image
    is near as well; an evaluation question without images is compared by its text alone.
    """
    texts = question_texts(rows)
    found = [_by_text(texts, benchmarks), _by_ngrams(texts, benchmarks, config)]
    if hashes is not None:
        found.append(_by_image(rows, benchmarks, hashes, config))
    if vectors_text is not None:
        found.append(_by_embedding(rows, texts, benchmarks, config, vectors_text, vectors_image, report))
    return pl.concat(found).unique().sort("id", "benchmark", "row", "by")


def _by_text(texts: pl.DataFrame, benchmarks: pl.DataFrame) -> pl.DataFrame:
    """The whole text of a question without images, which may be shorter than any n-gram."""
    asked = benchmarks.with_row_index("entry").filter(pl.col("images").list.len() == 0, pl.col("text") != "")
    pairs = texts.with_row_index("row").join(asked.select("entry", "key"), on="key")
    return _hits(texts["id"], benchmarks, pairs["row"], pairs["entry"], "text", np.ones(len(pairs)))


def _by_ngrams(texts: pl.DataFrame, benchmarks: pl.DataFrame, config: DecontaminateConfig) -> pl.DataFrame:
    found = [pl.DataFrame(schema=HITS)]
    for size, least in ((config.ngram, 0.0), (config.short_ngram, config.short_share)):
        pairs = shared_grams(texts["text"], benchmarks["text"], size, config.common).filter(pl.col("share") >= least)
        found.append(_hits(texts["id"], benchmarks, pairs["row"], pairs["entry"], f"ngram{size}", pairs["share"]))
    return pl.concat(found)


def _by_image(
    rows: pl.DataFrame, benchmarks: pl.DataFrame, hashes: pl.DataFrame, config: DecontaminateConfig
) -> pl.DataFrame:
    theirs, ours = _entry_images(benchmarks).filter(~pl.col("phash").is_in(PLAIN).fill_null(False)), _images(rows)
    known = hashes.join(ours.select("sha256"), on="sha256", how="semi").unique("sha256")
    unique = theirs.select("sha256", "phash", "thumb").unique("sha256")
    near = same_image_pairs(known, unique, config.image)
    same = ours.select("sha256").unique().join(unique, on="sha256", how="semi")
    near = pl.concat([near, same.select("sha256", other="sha256", distance=pl.lit(0, dtype=pl.Int64))])
    pairs = near.join(ours, on="sha256").join(theirs.select("entry", other="sha256"), on="other")
    score = 1 - pairs["distance"] / 64
    return _hits(rows["id"], benchmarks, pairs["place"], pairs["entry"], "image", score)


def _by_embedding(
    rows: pl.DataFrame,
    texts: pl.DataFrame,
    benchmarks: pl.DataFrame,
    config: DecontaminateConfig,
    text: Vectors,
    image: Vectors | None,
    report: Report,
) -> pl.DataFrame:
    theirs, ours = text.find(benchmarks["key"]), text.find(texts["key"])
    with_images = benchmarks["images"].list.len().to_numpy() > 0
    plain = np.flatnonzero((theirs >= 0) & ~with_images & (benchmarks["text"] != "").to_numpy())
    alone = _near(text, ours, theirs[plain], config.text_threshold, config.index, report)
    pairs = ((row, plain[entry]) for row, entry in alone)
    shown = _near_images(rows, benchmarks, image, config, report) if image is not None else ()
    found = [pl.DataFrame(schema=HITS)]
    for row, entry in chain(pairs, shown):
        known = np.flatnonzero((ours[row] >= 0) & (theirs[entry] >= 0))
        score = cosine(text, ours[row[known]], text, theirs[entry[known]])
        good = score >= config.text_threshold
        hit = known[good]
        found.append(_hits(rows["id"], benchmarks, row[hit], entry[hit], "embedding", score[good]))
    return pl.concat(found)


def _near_images(
    rows: pl.DataFrame, benchmarks: pl.DataFrame, image: Vectors, config: DecontaminateConfig, report: Report
) -> Iterator[tuple[Ints, Ints]]:
    """`(row, entry)` with an image each whose vectors are near, block by block."""
    mine, theirs = _images(rows), _entry_images(benchmarks)
    place, other = image.find(mine["sha256"]), image.find(theirs["sha256"])
    row, entry = (column.to_numpy().astype(np.int64) for column in (mine["place"], theirs["entry"]))
    for left, right in _near(image, place, other, config.image_threshold, config.index, report):
        exact = cosine(image, place[left], image, other[right]) >= config.image_threshold
        yield row[left[exact]], entry[right[exact]]


def _near(
    vectors: Vectors, ours: Ints, theirs: Ints, threshold: float, config: IndexConfig, report: Report
) -> Iterator[tuple[Ints, Ints]]:
    """Numbers `(i, j)` with `ours[i]` near `theirs[j]`, both rows of one matrix (-1 is skipped); each row searched once.

    Comes block by block: images of one kind are near each other by the million, and few of them have near questions.
    """
    wanted, mine = np.unique(theirs[theirs >= 0]), np.unique(ours[ours >= 0])
    if not len(wanted) or not len(mine):
        return
    radius = threshold - MARGIN
    index = searcher(len(wanted), vectors.dim, lambda places: vectors.take(wanted[places]), radius, config, report)
    for start in range(0, len(wanted), config.block):
        index.add(vectors.take(wanted[start : start + config.block]))
    verified(index, lambda places: vectors.take(wanted[places]), radius, config, report)
    reader = RangeReader(index, radius)
    rows = pl.DataFrame({"mine": ours}).with_row_index("i")
    entries = pl.DataFrame({"theirs": theirs}).with_row_index("j")
    for start in range(0, len(mine), config.block):
        part = mine[start : start + config.block]
        for head, tail in reader.parts(vectors.take(part)):
            found = pl.DataFrame({"mine": part[head], "theirs": wanted[tail]})
            pairs = found.join(rows, on="mine").join(entries, on="theirs")
            yield pairs["i"].to_numpy().astype(np.int64), pairs["j"].to_numpy().astype(np.int64)


def _images(rows: pl.DataFrame) -> pl.DataFrame:
    """`place` (number of the row), `sha256` of each of its images."""
    media = rows.with_row_index("place").select("place", m=pl.col("media").fill_null([]))
    flat = media.explode("m", empty_as_null=False).unnest("m")
    return flat.filter(pl.col("kind").fill_null("image") == "image").select("place", "sha256")


def _entry_images(benchmarks: pl.DataFrame) -> pl.DataFrame:
    """`entry` (number of the question), `sha256, phash, thumb` of each of its images."""
    images = benchmarks.with_row_index("entry").select("entry", "images")
    return images.explode("images", empty_as_null=False).unnest("images")


def _hits(
    ids: pl.Series, benchmarks: pl.DataFrame, row: Ints | pl.Series, entry: Ints | pl.Series, by: str, score: Any
) -> pl.DataFrame:
    named = benchmarks.select("benchmark", "row")[entry]
    found = pl.DataFrame({"id": ids.gather(row)}).hstack(named)
    return found.with_columns(by=pl.lit(by), score=pl.Series(score).cast(pl.Float64).round(6)).cast(HITS)
