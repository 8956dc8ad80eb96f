"""Split: every group of related samples gets one side, by shares or by a condition, and keeps it from release to release.

Rows are related that share a medium, a given group or a parent, that ask the same without media, whose images are the same
in another encoding, and, with an encoder, whose questions are near (`filters.groups`). Which sides there are decides the
section: shares of `sft`, `rl` and `holdout`, dealt by the hash of a group's name, or `sides`, each with its condition. VLAA-
Thinking (arXiv 2504.11468) sends what holds an "aha" to RL and the rest to SFT.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self, cast

import polars as pl
from pydantic import Field, model_validator

from filters.assign import AssignConfig, Deal, Ties, by_conditions, by_shares, split_by_group
from filters.dedup.content import question_texts
from filters.dedup.embedding import NearConfig, near_pairs
from filters.dedup.image_hash import ImageHashConfig, same_image_pairs
from filters.sql.expression import Condition
from pipelines.run.context import StepContext
from pipelines.steps.earlier import released_sides
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
from pipelines.steps.vectors import Searches, encoder_facts, image_vectors, text_vectors
from pipelines.store.image_hashes import HashLog, image_shas
from schemas.sample import SAMPLE
from schemas.section import refuse_idle
from schemas.split import DROPPED, named
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read, reads_of

COMPARED = ("question", "options", "answer", "media", "source", "group_id")
"""What ties rows together is read from these columns."""

SHARES = ("sft", "rl", "holdout")
ELSE = "else"
_MET = "met:"
"""Before the name of a side: whether a row meets its condition."""
_SIDE = re.compile(r"[a-z][a-z0-9_]*")


class NearQuestions(NearConfig):
    """When two questions are so near that one side must hold both; they need not have the same answer."""

    match_answer: bool = Field(default=False, description="only questions of the same gold are near")


class SplitConfig(StepConfig):
    """The sides, and what ties rows together beside a shared medium, group or parent."""

    salt: str = Field(
        default="curate", description="another salt deals the groups anew; never change it between releases"
    )
    sft: float | None = Field(default=None, ge=0, le=1, description="share of the groups; 0 where another is given")
    rl: float | None = Field(default=None, ge=0, le=1, description="share of the groups; 0 where another is given")
    holdout: float | None = Field(default=None, ge=0, le=1, description="share of the groups; 0 where another is given")
    sides: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="sides by condition: a group goes to the first that any of its rows meets, else to the one of `else`",
    )
    near_questions: NearQuestions | None = Field(
        default=NearQuestions(), description="near questions share a group, where there is an encoder of questions"
    )
    same_images: ImageHashConfig | None = Field(
        default=ImageHashConfig(), description="images that differ in encoding or size only share a group"
    )
    text: TextEncoder | None = Field(default=None, description="encoder of questions, for near_questions")
    image: ImageEncoder | None = Field(
        default=None, description="encoder of images; null: near questions are looked for among rows without images"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.sides is None:
            _ = self.shares  # that they are whole
            return self
        if any(getattr(self, side) is not None for side in SHARES):
            raise ValueError("give either `sides` with their conditions or the shares of sft, rl and holdout")
        for side, condition in self.sides.items():
            if not _SIDE.fullmatch(side):
                raise ValueError(f"a side is called by small letters, digits and underscores, not '{side}'")
            if condition != ELSE:
                Condition(condition)
        if ELSE in [*self.sides.values()][:-1]:
            raise ValueError("`else` is the last of the sides: no group is left for those after it")
        return self

    @model_validator(mode="after")
    def _compares(self) -> Self:
        # A `text: null` that is written down leaves meanings out on purpose, whatever else is set for them.
        read = self.text is not None or "text" in self.model_fields_set
        why, cure = "near questions are found by an encoder of questions, and `text` is not set", "set `text`"
        refuse_idle(self, "near_questions", read=read, why=why, cure=cure)
        refuse_idle(self, "image", read=read, why=why, cure=cure)
        why, cure = "it finds near questions, and `near_questions` is null", "give that a section"
        refuse_idle(self, "text", read=self.near_questions is not None, why=why, cure=cure)
        return self

    @property
    def shares(self) -> AssignConfig:
        """The shares of the three sides, where groups are dealt."""
        given = {side: share for side in SHARES if (share := getattr(self, side)) is not None}
        return AssignConfig(salt=self.salt, **(dict.fromkeys(SHARES, 0.0) | given if given else {}))

    @property
    def conditions(self) -> dict[str, Condition | None]:
        """The condition of each side, None for `else`; empty where groups are dealt by shares."""
        return {side: None if text == ELSE else Condition(text) for side, text in (self.sides or {}).items()}


def _deal(rows: pl.DataFrame, config: SplitConfig) -> Deal:
    if config.sides is None:
        return by_shares(config.shares)
    met = {side: rows[_MET + side] if when else None for side, when in config.conditions.items()}
    return by_conditions(met, rows["id"])


def _narrow(rows: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """What a group is known by, and which conditions a row meets; texts only where their meanings are compared."""
    met = {_MET + side: when.evaluate(rows) for side, when in config.conditions.items() if when}
    return _tied(rows, config).with_columns(**met)


def _tied(rows: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    rows = rows.select("id", "sample_id", "parent_id", "made_by", *COMPARED)
    if config.near_questions is not None and config.text is not None:
        return rows
    fields = (field.name for field in rows.schema["media"].inner.fields)  # type: ignore[attr-defined]
    media = pl.struct(pl.element().struct.field(n) for n in fields if n in ("kind", "sha256", "derived_from"))
    asked = question_texts(rows).select("id", question=pl.when(pl.col("text") == "").then(pl.lit("")).otherwise("key"))
    return rows.select(
        *("id", "sample_id", "parent_id", "made_by", "group_id"),
        question=asked["question"],
        options=pl.lit(None, SAMPLE["options"]),
        media=pl.col("media").list.eval(media),
    )


def _ties(
    build: SetBuild, rows: pl.DataFrame, config: SplitConfig, searches: Searches, files: tuple[Path, Path]
) -> Ties:
    questions, same = [], None
    if config.same_images is not None and len(shown := image_shas(rows)):
        same = same_image_pairs(HashLog(build.workspace.hashes).hashes(shown, build.media), None, config.same_images)
    if config.near_questions is not None and config.text is not None:
        compared = rows if config.image else rows.filter(pl.col("media").list.len() == 0)
        texts = text_vectors(build, config.text, question_texts(compared), files[0])
        by_image = image_vectors(build, config.image, image_shas(compared), files[1]) if config.image else None
        held = room(build, files[0].parent)
        questions.append(near_pairs(compared, texts, by_image, config.near_questions, searches.report, held))
    return Ties(questions, same)


def _reads(config: SplitConfig, known: Known) -> Reads:
    columns = {name: read(name, SAMPLE[name]) for name in COMPARED}
    asked = {reference for when in config.conditions.values() if when for reference in when.references}
    return Reads(reads_of(asked) | columns, {"samples": Beside("sample", columns, dropped=True)})


def _body(tables: Tables, config: SplitConfig, context: Context) -> Out:
    """Each row's `side`, and as `split_group` the group that it went there with, which no two sides share.

    Rows that a release gave away bind their groups also where a step has dropped them since.
    """
    build, searches = build_of(context), Searches()
    sides = [*config.sides] if config.sides else [*SHARES]
    released = released_sides(build, sides)
    rows = tables.rows.select(name for name in tables.rows.columns if not name.startswith(_MET))
    if released is not None:
        released = released.rename({"side": "split"})
        rows = pl.concat([rows, *_gone(cast(StepContext, context), released, rows, config)])
    with matrices(build) as files:
        deal = _deal(tables.rows, config)
        found = split_by_group(rows, lambda left: _ties(build, left, config, searches, files), deal, released)
    kept = found.kept.join(tables.rows, on="id", how="semi", maintain_order="left")
    none = kept.filter(pl.col("split").is_null())
    stray = none.select("id", reason=pl.lit("split:no_side"), evidence=pl.struct("group").struct.json_encode())
    dropped = pl.concat([found.dropped, stray.cast(dict(DROPPED))])  # type: ignore[arg-type]
    made = kept.drop_nulls("split").select("id", side="split", split_group="group")
    how = searches_table(searches)
    return Out(made, named(dropped, context.name), {"searches": how}, recall_notes(how))


def _gone(
    context: StepContext, released: pl.DataFrame, rows: pl.DataFrame, config: SplitConfig
) -> Iterator[pl.DataFrame]:
    """The rows that a release gave away, and that a step has dropped since."""
    for bucket in context.buckets:
        samples = context.beside("samples", bucket).join(released, on="id", how="semi")
        yield _tied(samples.join(rows, on="id", how="anti"), config)


STEP = StepType(
    name="split",
    summary="gives every group of related samples one side, by shares or by conditions",
    version=1,
    config=SplitConfig,
    reads=_reads,
    gives=lambda config, known: Gives({"side": pl.String(), "split_group": pl.String()}),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    streams=True,
    narrow=_narrow,
    facts=encoder_facts,
    closes="sample",
    verdict=True,
    cures={"no_side": "they meet no side's condition; give one side `else`"},
)
