"""Promote: rows that hold a question and its answer become samples, which every later step asks and measures as any other.

WeThink (arXiv 2506.07905) writes questions from descriptions of an image and has their answers agreed on; the new samples
show the same media and stay in the group of the sample that they come from, so that no split parts them.
"""

from dataclasses import replace
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.reads import of_sample
from filters.verify.gold import GoldUnparseableError, read_params
from filters.verify.pool import VerifierPool
from filters.verify.regold import ANSWER_KINDS, drop_untrue, regold
from schemas.errors import nearest
from schemas.ids import content_id
from schemas.marks import MARK, SPOKEN, moved, take_marks
from schemas.sample import SAMPLE
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

INHERITED = ("source", "group_id", "media", "lang", "domain")
"""What a new sample takes from the one that its row belongs to; its question tells where its images were."""


class PromoteConfig(StepConfig):
    """Which columns are the question and its gold, what becomes of media, and what of the samples that they come from."""

    question: str = Field(default="question", description="the column with the new question")
    answer: str = Field(default="answer", description="the column with its gold")
    options: str | None = Field(default=None, description="the column with its options, a list of texts")
    kind: str = Field(default="text", description="the kind of the answers")
    kind_from: str | None = Field(default=None, description="the column with the kind row by row; `kind` where null")
    params: dict[str, Any] = Field(default_factory=dict, description="of the verifier")
    media: Literal["inherit", "nothing"] = Field(
        default="inherit", description="the media of the sample that a row belongs to, or none"
    )
    parents: Literal["stay", "retire"] = Field(
        default="stay", description="samples that a new one comes from: kept beside it, or put out of later steps"
    )

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in ANSWER_KINDS:
            raise ValueError(
                f"no answer kind '{kind}'; there are {', '.join(ANSWER_KINDS)}.{nearest(kind, ANSWER_KINDS)}"
            )
        return kind

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.of is None:
            raise ValueError("name the rows that become samples: `of`, a step or a unit")
        try:
            read_params(self.kind, self.params)
        except GoldUnparseableError as error:
            raise ValueError(str(error)) from error
        return self


def promote(rows: pl.DataFrame, config: PromoteConfig, name: str, pool: VerifierPool, seed: int) -> Out:
    """Samples of rows with their golds (`question, answer`, perhaps `options, kind`) and what they inherit.

    `rows` has `id, sample_id`, `INHERITED` and, as `asked`, the question of the sample that each belongs to. Of equal
    questions with equal golds about one sample the first stays, the others drop as `copy`; all other causes are those of
    `filters.verify.regold`.
    """
    options, kinds = ("options" if config.options else None), ("kind" if config.kind_from else None)
    golds = regold(rows, kind=config.kind, options=options, kinds=kinds, params=config.params, parse=pool.parse_gold)
    golds = _marked_copies(drop_untrue(golds, pool, seed).with_columns(rows["sample_id"]))
    shown = [[] if config.media == "nothing" else media or [] for media in rows["media"].to_list()]
    placed = [_placed(*row) for row in zip(golds["question"], rows["asked"], shown, strict=True)]
    ids = [content_id({"step": name, "of": id_, "gold": gold}) for id_, gold in golds.select("id", _GOLD).iter_rows()]
    made = golds.with_columns(
        pl.Series("id", ids, dtype=pl.String),
        pl.Series("question", [question for question, _ in placed], dtype=pl.String),
        pl.Series("media", [media for _, media in placed], dtype=SAMPLE["media"]),
        *(rows[inherited] for inherited in INHERITED if inherited != "media"),
        parent_id=rows["id"],
        variant=pl.lit(name),
        meta=pl.lit(None, pl.String),
    )
    gone = made.filter(pl.col("cause").is_not_null())
    reasons = gone.select("id", "evidence", "parent_id", reason=pl.lit(f"{name}:") + pl.col("cause"))
    kept = made.filter(pl.col("cause").is_null())
    retired = _retired(kept, name) if config.parents == "retire" else None
    tables, notes = ({}, {}) if retired is None else ({"retired": retired}, {"retired": retired.height})
    rows = kept.select(pl.col(n).cast(t) for n, t in SAMPLE.items())
    return Out(
        rows, reasons.select(*DROPPED, "parent_id"), tables, notes={n: count for n, count in notes.items() if count}
    )


_GOLD = pl.concat_str(
    "question", pl.col("options").list.join("\x1f"), *(pl.col("answer").struct.field(f) for f in ("kind", "raw")),
    separator="\x1e",
)  # fmt: skip


def _marked_copies(golds: pl.DataFrame) -> pl.DataFrame:
    """`golds` (`REGOLD`, `sample_id`) with the cause `copy` where a row says what an earlier one of its sample says."""
    first = pl.col("id").first().over("sample_id", _GOLD)
    known = golds.filter(pl.col("cause").is_null()).select("id", __of=first).filter(pl.col("id") != pl.col("__of"))
    marked = golds.join(known, on="id", how="left", maintain_order="left")
    is_copy = pl.col("__of").is_not_null()
    return marked.with_columns(
        cause=pl.when(is_copy).then(pl.lit("copy")).otherwise("cause"),
        evidence=pl.when(is_copy).then(pl.struct(of="__of").struct.json_encode()).otherwise("evidence"),
    ).drop("__of")


def _placed(question: str, asked: str | None, media: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """A question without its marks, and its media with their positions in it: by its own marks, else as in the old one."""
    positions = [item["position"] for item in media]
    if media and question.count(MARK) == len(media):
        text, places = take_marks(question)
        return text, [item | {"position": places[i] if places else None} for i, item in enumerate(media)]
    text = question.replace(MARK, SPOKEN)
    new = None if None in positions else moved(positions, asked or "", text)
    return text, [item | {"position": new[i] if new else None} for i, item in enumerate(media)]


def _retired(samples: pl.DataFrame, name: str) -> pl.DataFrame:
    """`DROPPED` rows of the samples that new ones take the place of."""
    made = samples.group_by("sample_id", maintain_order=True).len()
    evidence = pl.struct(samples="len").struct.json_encode()
    return made.select(id="sample_id", reason=pl.lit(f"{name}:retired"), evidence=evidence)


def _reads(config: PromoteConfig, known: Known) -> Reads:
    assert config.of is not None
    columns = {"question": config.question, "answer": config.answer}
    optional = {"options": config.options, "kind": config.kind_from}
    inherited = {name: of_sample(name, config.of, known) for name in INHERITED}
    asked = of_sample("question", config.of, known)
    named = columns | {name: column for name, column in optional.items() if column} | inherited
    types = {"options": pl.List(pl.String()), **{name: SAMPLE[name] for name in INHERITED}}
    reads = {n: read(c, types.get(n, pl.String())) for n, c in {**named, "asked": asked}.items()}
    return Reads(reads | {"answer": replace(reads["answer"], text=True)})


def _gives(config: PromoteConfig, known: Known) -> Gives:
    return Gives({name: dtype for name, dtype in SAMPLE.items() if name not in ("id", "parent_id")}, makes="sample")


def _body(tables: Tables, config: PromoteConfig, context: Context) -> Out:
    return promote(tables.rows, config, context.name, context.verifiers(), context.seed)


STEP = StepType(
    name="promote",
    summary="makes samples of rows that hold a question and its answer",
    version=1,
    config=PromoteConfig,
    reads=_reads,
    gives=_gives,
    body=_body,
    scope=lambda config: "sample",
    fan=lambda config: 1,
    golds=frozenset({"answer"}),
    cures={"retired": None},
)
