"""Groups in a build: which rows belong on one side of the split, and which new rows would tie two sides together."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from filters.assign import Ties, split_by_group
from filters.dedup.content import question_texts
from filters.dedup.embedding import near_pairs
from filters.dedup.image_hash import same_image_pairs
from pipelines.road.dedup import Parted
from pipelines.steps.vectors import Searches, image_vectors, scratch, text_vectors
from pipelines.store.image_hashes import HashLog, pictures
from schemas.split import Split

if TYPE_CHECKING:
    from pipelines.road.stage import Build


def assign_sides(
    build: "Build",
    rows: pl.DataFrame,
    folder: Path,
    old: pl.DataFrame | None = None,
    gone: pl.DataFrame | None = None,
) -> Parted:
    """Give every group one side; kept is `id, group, split`.

    `old` (`id, split`) holds the sides of all releases, `gone` those of its rows that are no longer among `rows`: they bind
    their groups all the same.
    """
    searches = Searches()
    every = rows if gone is None else pl.concat([rows, gone])
    with scratch(folder) as (text, image):
        parted = split_by_group(every, lambda left: _ties(build, left, searches, text, image), build.recipe.sides, old)
    parted = Split(parted.kept.join(rows, on="id", how="semi", maintain_order="left"), parted.dropped)
    sizes = parted.kept.group_by("group").len()["len"]
    notes = {"groups": len(sizes), "largest": max(sizes, default=0), "searches": searches.notes()}
    return Parted(parted, notes)


def _ties(build: "Build", rows: pl.DataFrame, searches: Searches, text: Path, image: Path) -> Ties:
    config, dedup = build.recipe.split, build.recipe.dedup
    questions, same = [], None
    if config.same_pictures is not None and len(shown := pictures(rows)):
        same = same_image_pairs(HashLog(build.workspace.hashes).hashes(shown, build.media), None, config.same_pictures)
    if config.near_questions is not None and dedup is not None and dedup.text is not None:
        compared = rows if dedup.image else rows.filter(pl.col("media").list.len() == 0)
        texts = text_vectors(build, dedup.text, question_texts(compared), text)
        by_image = image_vectors(build, dedup.image, pictures(compared), image) if dedup.image else None
        questions.append(near_pairs(compared, texts, by_image, config.near_questions, searches.told))
    return Ties(questions, same)
