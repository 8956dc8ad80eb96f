"""The step `verify`: does each response reach its sample's gold? It measures and drops nothing.

A response that was cut off, or that holds no readable answer, is not a wrong answer. `correct` is what the verifier, and so
the reward that a release ships, says of its text; `verdict` tells the five cases apart (`filters.difficulty`).
"""

import polars as pl
from pydantic import Field, field_validator

from filters.difficulty import is_unread, verdict
from filters.reads import gold_reads
from filters.verify.form import well_formed
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict_columns
from filters.verify.verifiers import VERSION
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read
from schemas.tags import known_tags
from schemas.verdict import VERDICT


class VerifyConfig(StepConfig):
    """Which column holds the responses, and how they give their answers."""

    column: str | None = Field(
        default=None,
        description="the column that holds the response; null: the `final` answer of traces, the `text` of all else and "
        "wherever `tags` says how to read it",
    )
    tags: str | None = Field(
        default=None,
        description="the tag schema of the response; `<answer>` and `\\boxed{}` are read in any; null: `plain`",
    )

    @field_validator("tags")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return name if name is None else known_tags(name)


COLUMNS = {
    "correct": pl.Boolean(),
    "score": pl.Float64(),
    "extracted": pl.String(),
    "tier": pl.String(),
    "explanation": pl.String(),
    "no_answer": pl.Boolean(),
    "verdict": pl.String(),
}
"""`correct` and `score` are null where no rule could tell. `no_answer`: nothing in the response reads as an answer of the
gold's kind. `verdict` is `right`, `wrong`, `no_answer`, `truncated` or `unscored`."""

FORM = {"well_formed": pl.Boolean()}
"""Whether the response is laid out as `tags` says, to the letter; null where there is none. It decides no verdict."""


def reads(config: VerifyConfig, known: Known) -> Reads:
    """The response, the gold, and whether the response was cut off.

    Rollouts are judged by their whole text, because that is all that the reward is shown which a release ships with them.
    """
    of = config.of or "trace"
    order = ("final", "text") if known.unit(of) == "trace" and config.tags is None else ("text", "final")
    column = config.column or next((name for name in order if name in known.types(of)), order[0])
    cut = read("finish_reason", pl.String(), optional=True)
    return Reads({"response": read(column, pl.String()), "finish_reason": cut, **gold_reads(of, known)})


def body(tables: Tables, config: VerifyConfig, context: Context) -> Out:
    """A verdict for every row: `id`, `COLUMNS` and `FORM`. The notes count the verdicts."""
    tags = config.tags or "plain"
    found = judged(tables.rows, context.verifiers(), tags)
    made = found.select("id", *COLUMNS).with_columns(well_formed(tables.rows["response"].to_list(), tags))
    return Out(made, notes=dict(found["verdict"].value_counts(sort=True).iter_rows()))


def judged(rows: pl.DataFrame, pool: VerifierPool, tags: str) -> pl.DataFrame:
    """Rows (`response, finish_reason, answer, verifier, options`) with `COLUMNS`, in their order.

    A row without a gold is unscored. A null response holds no answer.
    """
    golden = rows.filter(pl.col("answer").is_not_null())
    scored = golden.with_columns(verdict_columns(golden, golden["response"].to_list(), pool, tags))
    bare = rows.filter(pl.col("answer").is_null())
    nothing = {name: pl.lit(None, dtype) for name, dtype in VERDICT.items()}
    unscored = bare.with_columns(
        **{**nothing, "tier": pl.lit("none"), "explanation": pl.lit("the row's sample has no gold answer")}
    )
    found = pl.concat([scored, unscored]).with_columns(no_answer=is_unread()).with_columns(verdict=verdict())
    return rows.select("id").join(found, on="id", how="left", maintain_order="left", validate="1:1")


STEP = StepType(
    name="verify",
    summary="judges responses by their samples' gold answers",
    version=VERSION,
    config=VerifyConfig,
    reads=reads,
    gives=lambda config, known: Gives({**COLUMNS, **FORM}),
    body=body,
    of="trace",
    verdict=True,
    cures={
        "right": None,
        "truncated": "raise the limit of tokens of the step that asked for them",
        "no_answer": "ask for an answer in the prompt, and see that `tags` fits how the replies give it",
        "unscored": "no rule can score these answers; add a `judge`",
        "wrong": "see that the model gets the image or a caption of it, and how the golds are written",
    },
)
