"""Near duplicates by embedding: the same question about the same image, in other words or other bytes.

A pair is a duplicate only if question *and* every image are near, each by its own L2-normalised vector and its own
threshold (OpenMMReasoner, `deduplicate.py`, adds an unnormalised text half to a normalised image half and asks one
threshold of both, so the two weigh unevenly). The same image under another question is a *group*, not a duplicate.
"""

from collections.abc import Sequence

import polars as pl
from pydantic import Field

from filters.dedup.greedy import Pairs, joined, keep_best, no_pairs
from filters.dedup.index import IndexConfig
from filters.dedup.links import linked
from filters.dedup.quality import QualityConfig
from filters.dedup.rule import dropped_pairs
from filters.dedup.search import Report, logged, shards
from filters.dedup.shards import EVERYTHING, Room, Shards
from filters.dedup.space import NearRule, Space, spaces
from filters.dedup.vectors import Vectors
from schemas.split import Split

SMALL = 2_048
"""Classes up to this size are compared by one matrix product."""


class NearConfig(NearRule):
    """What counts as the same question about the same image, which duplicate stays, and how it is looked for."""

    quality: QualityConfig = Field(default_factory=QualityConfig, description="which duplicate stays")
    index: IndexConfig = Field(default_factory=IndexConfig, description="how the vectors are searched")


def drop_near(
    rows: pl.DataFrame,
    vectors_text: Vectors | None,
    vectors_image: Vectors | None,
    config: NearConfig,
    former: pl.DataFrame | None = None,
    report: Report = logged,
    room: Room = EVERYTHING,
) -> Split:
    """Keep the best row of near duplicates and drop the others as `dedup:near`.

    `vectors_text` is keyed by `question_texts(rows)["key"]`, `vectors_image` by media sha256; `former` holds rows that
    an earlier build kept, which win over new ones and are never dropped (their vectors are needed too). Rows without
    images have no condition on images; several images are compared one by one, in order; media other than images
    must be the same bytes. `report` is called with each search through an index; `room` bounds the memory of an index and
    decides nothing of what is found. Without `vectors_text` images alone decide. Evidence: `kept`, `similarity` (the
    lower of the two), `text`, `image`, as far as they are compared.

    Raises StepError where a vector is missing or an approximate search stays below `index.min_recall`.
    """
    ids, parts = spaces(rows, vectors_text, vectors_image, config, config.quality, former)
    gone = _named(ids, [_duplicates(space, config.index, report, room) for space in parts])
    similarity = pl.min_horizontal("text", "image")
    compared = ["image"] if vectors_text is None else ["text", "image"]
    return dropped_pairs(rows, gone.select("id", *compared, kept="other", similarity=similarity), "dedup:near")


def near_pairs(
    rows: pl.DataFrame,
    vectors_text: Vectors,
    vectors_image: Vectors | None,
    config: NearConfig,
    report: Report = logged,
    room: Room = EVERYTHING,
) -> pl.DataFrame:
    """`id, other, text, image`: pairs of near duplicates that connect the same rows as all of them would.

    For grouping, where every link counts and none is dropped; give a lower threshold than for dropping, and
    `match_answer=False`, so that what is merely similar still stays on one side of a split.
    """
    ids, parts = spaces(rows, vectors_text, vectors_image, config, config.quality)
    return _named(ids, [_links(space, config.index, report, room) for space in parts])


def _duplicates(space: Space, config: IndexConfig, report: Report, room: Room) -> Pairs:
    held = _shards(space, config, report, room)
    size = len(space.rows)
    block = size if held is None else config.block
    return space.numbered(keep_best(size, space.fixed, space.take, space.confirm, space.radius, held, block))


def _links(space: Space, config: IndexConfig, report: Report, room: Room) -> Pairs:
    held = _shards(space, config, report, room)
    size = len(space.rows)
    block = size if held is None else config.block
    return space.numbered(linked(size, space.take, space.confirm, space.radius, held, block))


def _shards(space: Space, config: IndexConfig, report: Report, room: Room) -> Shards | None:
    """The indexes for a space; none where its rows are few."""
    size = len(space.rows)
    return None if size <= SMALL else shards(size, space.dim, space.take, space.radius, config, report, room)


def _named(ids: pl.Series, found: Sequence[Pairs]) -> pl.DataFrame:
    """`id, other, text, image` out of numbered pairs."""
    pairs = joined([no_pairs(), *found])
    similar = {"text": pairs.text, "image": pairs.image}
    return pl.DataFrame({"id": ids.gather(pairs.left), "other": ids.gather(pairs.right), **similar})
