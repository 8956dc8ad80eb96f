"""Deduplication in a build: the levels of a recipe, one after the other, each with its own reason and evidence."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from filters.dedup.content import question_texts
from filters.dedup.embedding import drop_near
from filters.dedup.exact import drop_exact
from filters.dedup.image_hash import drop_image_hash
from filters.dedup.levels import Level, drop_by_levels
from filters.dedup.minhash import drop_similar_text
from pipelines.recipe.sections import DedupConfig
from pipelines.release.write import released
from pipelines.steps.vectors import Searches, image_identity, image_vectors, scratch, text_identity, text_vectors
from pipelines.store.image_hashes import HashLog, pictures
from pipelines.store.workspace import read_json
from schemas.split import Split

if TYPE_CHECKING:
    from pipelines.road.stage import Build


class Parted(NamedTuple):
    """Both halves, and what the stage's record says of how they were found."""

    split: Split
    notes: dict[str, Any]


def encoder_identities(build: "Build") -> list[dict[str, str]]:
    """The identities of the recipe's encoders; loads none."""
    config = build.recipe.dedup
    found = []
    if config and config.text:
        found.append(text_identity(config.text).to_json())
    if config and config.image:
        found.append(image_identity(build, config.image).to_json())
    return found


def drop_duplicates(build: "Build", rows: pl.DataFrame, folder: Path, old: pl.DataFrame | None) -> Parted:
    """Part twins level by level; the best of each stays.

    `old` (`id`) names the rows of the latest release, which are better than any new one. As long as the rules are those
    of that release none of them is dropped; under other rules they are compared with each other as well.
    """
    config = build.recipe.dedup
    assert config is not None
    searches = Searches()
    known = pl.lit(False) if old is None else pl.col("id").is_in(old["id"].implode())
    marked = rows.with_columns(released=known)
    fixed = marked.filter("released") if _same_rules(build, config) else None
    with scratch(folder) as (text, image):
        kept, dropped = drop_by_levels(marked, _levels(build, config, searches, text, image), fixed)
    return Parted(Split(kept.drop("released"), dropped), {"searches": searches.notes()})


def _levels(build: "Build", config: DedupConfig, searches: Searches, text: Path, image: Path) -> list[Level]:
    levels: list[Level] = [lambda rows, fixed: drop_exact(rows, config.exact, fixed)]
    if (minhash := config.minhash) is not None:
        levels.append(lambda rows, fixed: drop_similar_text(rows, minhash, fixed))
    if (by_hash := config.image_hash) is not None:
        log = HashLog(build.workspace.hashes)
        levels.append(
            lambda rows, fixed: drop_image_hash(rows, log.hashes(pictures(rows), build.media), by_hash, fixed)
        )
    if (encoder := config.text) is not None:

        def near(rows: pl.DataFrame, fixed: pl.DataFrame | None) -> Split:
            texts = text_vectors(build, encoder, question_texts(rows), text)
            shown = image_vectors(build, config.image, pictures(rows), image) if config.image else None
            return drop_near(rows, texts, shown, config.near, fixed, searches.told)

        levels.append(near)
    return levels


def _same_rules(build: "Build", config: DedupConfig) -> bool:
    """Whether the latest release was deduplicated by the same rules."""
    latest = released(build.workspace.former(build.recipe.name))
    manifest = (read_json(latest[-1] / "manifest.json") if latest else None) or {"recipe": {}}
    return bool(manifest["recipe"].get("dedup") == config.model_dump(mode="json"))
