"""The step `pick`: which of the rows of one parent stay, and which samples' right answers are more than guesses.

All right traces by default, because OpenMMReasoner (arXiv 2511.16334) lost by picking; the published picks are those of
`filters.select.trace_choice`. RACRO (gyhdog99/RACRO2) takes the description from which a reasoner is right most often.
"""

from typing import Literal, Self, cast, get_args

import polars as pl
from pydantic import Field, model_validator

from filters.guessing import drop_guessed, golds_and_verdicts, guess_rates
from filters.reads import number, of_sample
from filters.select.trace_choice import Take as Published
from filters.select.trace_choice import places
from schemas.ids import chance
from schemas.sample import ANSWER, SOURCE
from schemas.section import refuse_idle
from schemas.split import named, no_drops, split
from schemas.step import Beside, Context, Gives, Known, Out, Read, Reads, Scope, StepConfig, StepType, Tables, read

Take = Literal[
    "all", "most", "least", "shortest", "longest", "second_longest", "length_weighted", "random", "first", "diverse"
]
_BY_LENGTH = ("shortest", "longest", "second_longest", "length_weighted")


class PickConfig(StepConfig):
    """What is picked of each parent's rows, and how many; before that, whether right answers beat guessing."""

    take: Take = Field(
        default="all",
        description="most or least: by the column `by`; shortest, longest, second_longest: in tokens; length_weighted: "
        "drawn, longer ones first; random: drawn; first: as they were asked; diverse: as different as can be",
    )
    by: str | None = Field(default=None, description="the column that most and least go by; rows without a value go")
    most: int = Field(default=1, ge=1, description="how many rows of a parent are kept, but for `all`")
    base: float = Field(default=0.5, gt=0, lt=1, description="length_weighted: weight base ** rank, rank 0 the longest")
    beats_chance: bool = Field(
        default=False,
        description="where an answer can be guessed, keep a sample's rows only if more of them are right than guesses "
        "would be",
    )
    max_guess: float | None = Field(
        default=None, gt=0, le=1, description="beats_chance: the largest probability that guesses alone do as well"
    )

    @model_validator(mode="after")
    def _picks(self) -> Self:
        if (self.by is not None) != (self.take in {"most", "least"}):
            raise ValueError("`take: most` and `take: least` go by a column; name it in `by`, and in no other pick")
        if self.max_guess is not None and not self.beats_chance:
            raise ValueError("`max_guess` is of `beats_chance`; set that to true")
        if self.take == "all" and not self.beats_chance:
            raise ValueError("this leaves nothing out; say what to `take`, or set `beats_chance`")
        why, cure = "all rows are taken", "say which with `take`"
        refuse_idle(self, "most", read=self.take != "all", why=why, cure=cure)
        why, cure = f"`take` is {self.take}", "set it to length_weighted"
        refuse_idle(self, "base", read=self.take == "length_weighted", why=why, cure=cure)
        return self


def reads(config: PickConfig, known: Known) -> Reads:
    """What the rows are picked by; for guesses, the verdicts of all rows that there were, with their samples' golds.

    Raises ValueError for samples, which have no siblings.
    """
    of = config.of or "trace"
    if known.unit(of) == "sample":
        raise ValueError("`of`: it picks among the rows made from one row; to choose among samples use `select`")
    rows: dict[str, Read] = {}
    if config.by is not None:
        rows["value"] = read(config.by)
    if config.take in _BY_LENGTH:
        rows["tokens"] = number("tokens", of, known)
    if config.take == "diverse":
        rows["reasoning"] = read("reasoning", pl.String())
    if config.take in {"first", "diverse"}:
        rows["index"] = number("index", of, known, optional=True)
    if not config.beats_chance:
        return Reads(rows)
    scored = {
        "correct": read("correct", pl.Boolean()),
        "no_answer": read("no_answer", pl.Boolean(), optional=True),
        "final": read("final", pl.String(), optional=True),
        "answer": read(of_sample("answer", of, known), ANSWER),
        "options": read(of_sample("options", of, known), pl.List(pl.String()), optional=True),
        "source": read(of_sample("source", of, known), SOURCE),
    }
    return Reads(rows, {"scored": Beside(of, scored, dropped=True)})


def body(tables: Tables, config: PickConfig, context: Context) -> Out:
    """Keeps what is picked; gives no column.

    Reasons, after the step's name: `chance` (`filters.guessing.drop_guessed`), `unmeasured` (no value to go by) and
    `not_picked`; evidence: the parent, the place that the row took, counted from 0, and what it was picked by.
    """
    rows, drops = tables.rows, no_drops()
    if config.beats_chance:
        golds, answered = golds_and_verdicts(tables.beside["scored"])
        rows, guessed = drop_guessed(rows, answered, guess_rates(golds), config.max_guess)
        drops = named(guessed, context.name)
    if config.take == "all":
        return Out(drops=drops)
    placed = rows.join(_places(rows, config, context), on="id", how="left", maintain_order="left", validate="1:1")
    shown = [name for name in ("value", "tokens") if name in placed.columns]
    empty = pl.col("value").is_null() if config.by is not None else pl.lit(False)
    reason = (
        pl.when(empty)
        .then(pl.lit(f"{context.name}:unmeasured"))
        .when(~(pl.col("place") < config.most).fill_null(False))
        .then(pl.lit(f"{context.name}:not_picked"))
    )
    evidence = {name: pl.col(name) for name in ("parent_id", "place", *shown)}
    return Out(drops=pl.concat([drops, split(placed, reason, evidence).dropped]))


def _places(rows: pl.DataFrame, config: PickConfig, context: Context) -> pl.DataFrame:
    """`id, place`: the place of each row among those of its parent."""
    if config.take in get_args(Published):
        return places(rows, cast(Published, config.take), config.most, config.base, context.seed)
    draw = chance(f"{context.name}:{context.seed}", rows["id"]).alias("draw")
    key = {"most": "value", "least": "value", "longest": "tokens", "first": "index", "random": "draw"}[config.take]
    down = config.take in {"most", "longest"}
    ordered = rows.with_columns(draw).sort(
        "parent_id", key, "draw", "id", descending=[False, down, False, False], nulls_last=True
    )
    return ordered.select("id", place=pl.int_range(pl.len()).over("parent_id"))


def _scope(config: PickConfig) -> Scope:
    # Which words and numbers are a closed set of answers shows in a whole source only.
    return "all" if config.beats_chance else "sample"


STEP = StepType(
    name="pick",
    summary="keeps some of the rows of each parent",
    version=1,
    config=PickConfig,
    reads=reads,
    gives=lambda config, known: Gives(),
    body=body,
    of="trace",
    scope=_scope,
    verdict=True,
    cures={
        "not_picked": None,
        "chance": "the model does no better than guesses: take a stronger one, or set `beats_chance` to false",
    },
)
