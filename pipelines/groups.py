"""Groups in a build: which rows belong on one side of the split, and which new rows would tie two sides together."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
from pydantic import Field

from filters.assign import AssignConfig, assign_splits, drop_bridges
from filters.dedup.content import question_texts
from filters.dedup.embedding import NearConfig, near_pairs
from filters.dedup.image_hash import ImageHashConfig, same_image_pairs
from filters.groups import group_ids
from pipelines.dedup import Parted
from pipelines.hashes import HashLog, pictures
from pipelines.vectors import Searches, image_vectors, scratch, text_vectors
from schemas.split import Split

if TYPE_CHECKING:
    from pipelines.stage import Build


class NearQuestions(NearConfig):
    """When two questions are so near that one side must hold both; they need not have the same answer."""

    match_answer: bool = False


class SplitSection(AssignConfig):
    """The shares of the sides, and what ties rows together beside a shared medium, group or parent."""

    near_questions: NearQuestions | None = Field(
        default=NearQuestions(), description="near questions share a group, where `dedup` has a `text` encoder"
    )
    same_pictures: ImageHashConfig | None = Field(
        default=ImageHashConfig(), description="pictures that differ in encoding or size only share a group"
    )


class _Ties(NamedTuple):
    questions: list[pl.DataFrame]
    pictures: pl.DataFrame | None


def split_by_group(build: "Build", rows: pl.DataFrame, folder: Path, old: pl.DataFrame | None) -> Parted:
    """Give every group one side; kept is `id, group, split`.

    `old` (`id, split`) holds the sides of the latest release, which stay. A new row that would join two of them is
    dropped as `split:bridges_groups`; ties are looked for again without it, because it may have been all that tied them.
    """
    searches = Searches()
    left, dropped = rows, []
    with scratch(folder) as (text, image):
        ties = _ties(build, left, searches, text, image)
        while old is not None:
            parted = drop_bridges(left, old, ties.questions, ties.pictures)
            if parted.dropped.is_empty():
                break
            left = parted.kept
            dropped.append(parted.dropped)
            ties = _ties(build, left, searches, text, image)
    groups = group_ids(left, ties.questions, ties.pictures)
    sides = assign_splits(groups, build.recipe.split, old)
    sizes = groups.group_by("group").len()["len"]
    notes = {"groups": len(sizes), "largest": int(sizes.max() or 0), "searches": searches.notes()}  # type: ignore[arg-type]
    return Parted(Split(sides.kept, pl.concat([*dropped, sides.dropped])), notes)


def _ties(build: "Build", rows: pl.DataFrame, searches: Searches, text: Path, image: Path) -> _Ties:
    config, dedup = build.recipe.split, build.recipe.dedup
    questions, same = [], None
    if config.same_pictures is not None and len(shown := pictures(rows)):
        same = same_image_pairs(HashLog(build.workspace.hashes).hashes(shown, build.media), None, config.same_pictures)
    if config.near_questions is not None and dedup is not None and dedup.text is not None:
        compared = rows if dedup.image else rows.filter(pl.col("media").list.len() == 0)
        texts = text_vectors(build, dedup.text, question_texts(compared), text)
        by_image = image_vectors(build, dedup.image, pictures(compared), image) if dedup.image else None
        questions.append(near_pairs(compared, texts, by_image, config.near_questions, searches.told))
    return _Ties(questions, same)
