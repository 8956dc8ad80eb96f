"""Dedup: of samples that ask the same about the same images, the best stays; level by level, each with its own reason."""

from pathlib import Path
from typing import Self

import polars as pl
from pydantic import Field, model_validator

from filters.dedup.content import question_texts
from filters.dedup.embedding import NearConfig, drop_near
from filters.dedup.exact import ExactConfig, drop_exact
from filters.dedup.image_hash import ImageHashConfig, drop_image_hash
from filters.dedup.levels import Level, drop_by_levels
from filters.dedup.minhash import MinHashConfig, drop_similar_text
from filters.dedup.quality import QualityConfig
from pipelines.steps.earlier import latest_rows, latest_section
from pipelines.steps.set_context import (
    ImageEncoder,
    SetBuild,
    TextEncoder,
    build_of,
    matrices,
    room,
    searches_table,
)
from pipelines.steps.vectors import Searches, encoder_facts, image_vectors, text_vectors
from pipelines.store.image_hashes import HashLog, image_shas
from schemas.sample import SAMPLE
from schemas.section import refuse_idle
from schemas.split import Split, named
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

COMPARED = ("question", "options", "answer", "media", "source")
"""What is compared, and what quality is computed from."""

COMPUTED = frozenset({"released", "pixels", "source_priority"})
"""Columns of quality that are computed where no step gives one of that name."""


class DedupConfig(StepConfig):
    """What counts as a duplicate, level by level; null leaves a level out."""

    exact: ExactConfig = ExactConfig()
    minhash: MinHashConfig | None = Field(default=MinHashConfig(), description="nearly the same words, the same media")
    image_hash: ImageHashConfig | None = Field(
        default=ImageHashConfig(), description="the same question about the same image in another encoding or size"
    )
    text: TextEncoder | None = Field(default=None, description="encoder of questions; null: meanings are not compared")
    image: ImageEncoder | None = Field(default=None, description="encoder of images; needed where rows have images")
    near: NearConfig = NearConfig()

    @model_validator(mode="after")
    def _compares(self) -> Self:
        # A `text: null` that is written down leaves meanings out on purpose, whatever else is set for them.
        read = self.text is not None or "text" in self.model_fields_set
        why, cure = "meanings are compared by an encoder of questions, and `text` is not set", "set `text`"
        refuse_idle(self, "near", read=read, why=why, cure=cure)
        why = "images are compared beside questions, and `text` is not set"
        refuse_idle(self, "image", read=read, why=why, cure=cure)
        return self

    @property
    def qualities(self) -> list[QualityConfig]:
        """What decides which duplicate stays, of all levels."""
        levels = (self.exact, self.minhash, self.image_hash, self.near)
        return [level.quality for level in levels if level is not None]


def _levels(build: SetBuild, config: DedupConfig, searches: Searches, text: Path, image: Path) -> list[Level]:
    levels: list[Level] = [lambda rows, fixed: drop_exact(rows, config.exact, fixed)]
    if (minhash := config.minhash) is not None:
        levels.append(lambda rows, fixed: drop_similar_text(rows, minhash, fixed))
    if (by_hash := config.image_hash) is not None:
        log = HashLog(build.workspace.hashes)
        levels.append(
            lambda rows, fixed: drop_image_hash(rows, log.hashes(image_shas(rows), build.media), by_hash, fixed)
        )
    if (encoder := config.text) is not None:

        def near(rows: pl.DataFrame, fixed: pl.DataFrame | None) -> Split:
            texts = text_vectors(build, encoder, question_texts(rows), text)
            shown = image_vectors(build, config.image, image_shas(rows), image) if config.image else None
            return drop_near(rows, texts, shown, config.near, fixed, searches.report, room(build, text.parent))

        levels.append(near)
    return levels


def _same_rules(build: SetBuild, config: DedupConfig, name: str) -> bool:
    """Whether the latest release was deduplicated by the same rules: then none of its rows is dropped."""
    section = latest_section(build, name)
    try:
        return section is not None and DedupConfig.model_validate(section) == config
    except ValueError:
        return False


def _reads(config: DedupConfig, known: Known) -> Reads:
    wanted = dict.fromkeys(column for quality in config.qualities for column in quality.by)
    defaults = QualityConfig().by
    quality = {c: read(c, optional=c in defaults) for c in wanted if c not in COMPUTED and c not in COMPARED}
    return Reads({name: read(name, SAMPLE[name]) for name in COMPARED} | quality)


def _body(tables: Tables, config: DedupConfig, context: Context) -> Out:
    build, searches = build_of(context), Searches()
    latest = latest_rows(build)
    is_released = pl.lit(False) if latest is None else pl.col("id").is_in(latest["id"].implode())
    rows = tables.rows.with_columns(released=is_released)
    fixed = rows.filter("released") if latest is not None and _same_rules(build, config, context.name) else None
    with matrices(build) as (text, image):
        dropped = drop_by_levels(rows, _levels(build, config, searches, text, image), fixed).dropped
    return Out(None, named(dropped, context.name), {"searches": searches_table(searches)})


STEP = StepType(
    name="dedup",
    summary="drops samples that ask the same about the same images; the best of each stays",
    version=1,
    config=DedupConfig,
    reads=_reads,
    gives=lambda config, known: Gives(),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    facts=encoder_facts,
    cures={"": "see whether the rows really repeat each other, with `curate why ID`"},
)
