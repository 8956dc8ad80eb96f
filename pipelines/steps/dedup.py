"""Dedup: of samples that ask the same about the same images, the best stays; level by level, each with its own reason."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Self

import polars as pl
from pydantic import Field, model_validator

from filters.dedup.apart import common_keys, ranges
from filters.dedup.content import question_texts
from filters.dedup.embedding import NearConfig, drop_near
from filters.dedup.exact import ExactConfig, drop_exact
from filters.dedup.image_hash import PLAIN, ImageHashConfig, drop_image_hash
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
    recall_notes,
    room,
    searches_table,
)
from pipelines.steps.spilled import KEY, Spilled
from pipelines.steps.vectors import Searches, encoder_facts, image_vectors, text_vectors
from pipelines.store.image_hashes import HashLog, image_shas
from schemas.sample import SAMPLE
from schemas.section import refuse_idle
from schemas.split import Split, named, no_drops
from schemas.step import Apart, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

COMPARED = ("question", "options", "answer", "media", "source")
"""What is compared, and what quality is computed from."""

_SHARE = 8
"""Rows that are compared together take an eighth of a build's memory: levels hold what they make of them, too."""

COMPUTED = frozenset({"released", "pixels", "source_priority"})
"""Columns of quality that are computed where no step gives one of that name."""


class DedupConfig(StepConfig):
    """What counts as a duplicate, level by level; null leaves a level out."""

    compare: Literal["questions", "images"] = Field(
        default="questions",
        description="what is the same in duplicates: question and images, or the images, whatever is asked about them",
    )
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
        if self.compare == "images":
            why, cure = "images are compared, whatever is asked about them", "set `compare: questions`"
            refuse_idle(self, "text", read=False, why=why, cure=cure)
            refuse_idle(self, "minhash", read=False, why=why, cure=cure)
            why, cure = "images are compared by an encoder, and `image` is not set", "set `image`"
            refuse_idle(self, "near", read=self.image is not None, why=why, cure=cure)
            return self
        # A `text: null` that is written down leaves meanings out on purpose, whatever else is set for them.
        read = self.text is not None or "text" in self.model_fields_set
        why, cure = "meanings are compared by an encoder of questions, and `text` is not set", "set `text`"
        refuse_idle(self, "near", read=read, why=why, cure=cure)
        why = "images are compared beside questions, and `text` is not set"
        refuse_idle(self, "image", read=read, why=why, cure=cure)
        return self

    @property
    def matches_answer(self) -> bool:
        """Whether rows with unlike answers are duplicates at no level."""
        if self.compare == "images":
            return False
        return all(level.match_answer for level in (self.exact, self.minhash, self.image_hash, self._near) if level)

    @property
    def matches_marks(self) -> bool:
        """Whether rows with other numbers in their questions are: at the other levels, words are the same."""
        return self.compare == "questions" and all(level.match_marks for level in (self.minhash, self._near) if level)

    @property
    def _near(self) -> NearConfig | None:
        return None if self.text is None else self.near

    @property
    def qualities(self) -> list[QualityConfig]:
        """What decides which duplicate stays, of all levels."""
        levels = (self.exact, self.minhash, self.image_hash, self.near)
        return [level.quality for level in levels if level is not None]


def _levels(build: SetBuild, config: DedupConfig, searches: Searches, text: Path, image: Path) -> list[Level]:
    levels: list[Level] = [lambda rows, fixed: drop_exact(rows, config.exact, fixed)]
    if (minhash := config.minhash) is not None and config.compare == "questions":
        levels.append(lambda rows, fixed: drop_similar_text(rows, minhash, fixed))
    if (by_hash := config.image_hash) is not None:
        log = HashLog(build.workspace.hashes)
        levels.append(
            lambda rows, fixed: drop_image_hash(rows, log.hashes(image_shas(rows), build.media), by_hash, fixed)
        )
    if config.text is not None or (config.compare == "images" and config.image is not None):

        def near(rows: pl.DataFrame, fixed: pl.DataFrame | None) -> Split:
            texts = text_vectors(build, config.text, question_texts(rows), text) if config.text else None
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


class _Found(NamedTuple):
    """What a bucket gets: its own drops, and how all rows were searched."""

    drops: pl.DataFrame
    searches: pl.DataFrame
    notes: dict[str, int]
    """Of the first bucket: those of all buckets are added up."""


def _survey(tables: Iterable[pl.DataFrame], config: DedupConfig, context: Context) -> Apart:
    """The drops of each bucket. Rows that have nothing in common are compared apart, as many at a time as memory allows."""
    build, searches, count = build_of(context), Searches(), 0
    latest = latest_rows(build)
    is_released = pl.lit(False) if latest is None else pl.col("id").is_in(latest["id"].implode())
    has_fixed = latest is not None and _same_rules(build, config, context.name)
    drops = [no_drops().with_columns(bucket=pl.lit(0, pl.Int32))]
    with matrices(build) as (text, image):
        held = Spilled(text.parent, build.memory.piece)
        for every in tables:
            rows = every if config.compare == "questions" else _images_alone(every, build)
            keyed = common_keys(rows, config.matches_answer, config.matches_marks).alias(KEY)
            held.add(rows.with_columns(keyed, bucket=pl.lit(count, pl.Int32), released=is_released))
            count += 1
        for part in _parts(held, build.memory.bytes // _SHARE):
            rows = part.drop("bucket")
            fixed = rows.filter("released") if has_fixed else None
            found = drop_by_levels(rows, _levels(build, config, searches, text, image), fixed).dropped
            drops.append(found.join(part.select("id", "bucket"), on="id", how="left", maintain_order="left"))
    by_bucket = named(pl.concat(drops), context.name).partition_by("bucket", as_dict=True, include_key=False)
    how = searches_table(searches)
    notes = [recall_notes(how)] + [{}] * count
    return Apart(_Found(by_bucket.get((bucket,), no_drops()), how, notes[bucket]) for bucket in range(count))


def _images_alone(rows: pl.DataFrame, build: SetBuild) -> pl.DataFrame:
    """The rows that show an image, as if all asked the same. One whose images are of a single colour is like no other."""
    asked = pl.lit(None, SAMPLE["options"]).alias("options"), pl.lit(None, SAMPLE["answer"]).alias("answer")
    shown = rows.with_columns(*asked, question=pl.lit("")).filter(pl.col("media").list.len() > 0)
    hashes = HashLog(build.workspace.hashes).hashes(image_shas(shown), build.media)
    plain = hashes.filter(pl.col("phash").is_in(PLAIN))["sha256"]
    sha = pl.element().struct.field("sha256").filter(pl.element().struct.field("kind").fill_null("image") == "image")
    says = pl.col("media").list.eval(~sha.is_in(plain.implode())).list.any()
    return shown.filter(says)


def _parts(held: Spilled, most: int) -> Iterator[pl.DataFrame]:
    """Rows that may be duplicates of others: all of these in one table, in order of `id`, of about `most` bytes."""
    rows = max(1, most * sum(map(len, held.keys)) // max(1, held.size))
    for first, last in ranges(held.keys, rows):
        part = held.between(first, last)
        yield part.filter(pl.len().over(KEY) > 1).drop(KEY).sort("id")


def _body(tables: Tables, config: DedupConfig, context: Context) -> Out:
    found: _Found = context.survey
    return Out(None, found.drops, {"searches": found.searches}, found.notes)


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
    survey=_survey,
    gathers={"searches": lambda found: found[0]},
    facts=encoder_facts,
    cures={"": "see whether the rows really repeat each other, with `curate why ID`"},
)
