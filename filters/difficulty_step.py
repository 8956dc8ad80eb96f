"""The step `difficulty`: how often replies are right, as counts on the rows that they answer (`filters.difficulty`).

It counts all replies that were made, dropped or not. What leaves n is missing evidence: a reply that was cut off or holds no
readable answer, unless the section calls those wrong, one that nothing could score, and one that was never had.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.children import children_of
from filters.difficulty import APART, VERDICTS, DifficultyConfig, drop_unmeasured, enough, measure, verdict
from filters.reads import number
from filters.sql.expression import Condition, ConditionText
from schemas.errors import StepError
from schemas.split import named
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read, reads_of


class DifficultyStepConfig(DifficultyConfig, StepConfig):
    """Whose replies are counted, on which rows, and what counts."""

    to: str | None = Field(
        default=None, description="the rows that get the counts: a unit; null: what the counted rows were made from"
    )
    correct: ConditionText = Field(
        default="correct", description="which replies are right; where it is null, nobody could tell"
    )
    model: str | None = Field(default=None, description="count this model's replies; needed where several replied")
    unmeasured: Literal["drop", "keep"] = Field(
        default="drop", description="rows of which too few replies count: drop them, or keep them with what there is"
    )


NO_EVIDENCE = (
    "replies that were cut off or hold no answer do not count: raise their limit of tokens, ask for an answer in the "
    "prompt, and see that `tags` fits the replies"
)
COUNTS = ("k", "n", "asked", "wrong", *APART)
RATES = (
    "pass_rate", "low", "high", "variance", "variance_unbiased", "beta_low", "beta_high", "beta_mean", "mean_score",
    "score_std", "score_variance_unbiased", "tokens", "tokens_correct",
)  # fmt: skip
_FACTS = {
    "model": pl.String(),
    "finish_reason": pl.String(),
    "no_answer": pl.Boolean(),
    "gold_visible": pl.Boolean(),
}


def columns(config: DifficultyStepConfig) -> dict[str, pl.DataType]:
    """What it gives: `COUNTS`, `RATES` (`filters.difficulty.measure`), `pass_at_<t>`, and the `model` that was counted.

    Of the replies that were `asked`, `n` count and `k` are right, both null where none counts; `no_answer`, `truncated` and
    `unscored` are counted apart from `wrong`, whether they count or not. `enough` says that no fewer count than `min_n`.
    """
    rates = (*RATES, *(f"pass_at_{tries}" for tries in config.pass_at))
    counts = dict.fromkeys(COUNTS, pl.Int32())
    return {"model": pl.String(), **counts, "enough": pl.Boolean(), **dict.fromkeys(rates, pl.Float64())}


STOPPED = {"in_band": pl.Boolean(), "stopped": pl.String()}
"""What replies say of the rows that they answer, where asking stopped as soon as the answers decided; given on as it is."""


def _stopped(of: str | tuple[str, ...], known: Known) -> dict[str, pl.DataType]:
    return STOPPED if set(STOPPED) <= set(known.types(of)) else {}


def over(config: DifficultyStepConfig, known: Known) -> str | tuple[str, ...]:
    """The rows that get the counts: those of `to` that the counted ones were made from, or all samples.

    Raises ValueError for rows that the counted ones were not made from, and where they were made from several units.
    """
    of = config.of or "rollout"
    parents = known.parents(of)
    unit = known.unit(of)
    made_from = " and ".join(parents) or "nothing that replies could be counted on"
    if config.to is None:
        if len(parents) != 1:
            raise ValueError(
                f"rows of {unit} are made from {made_from}; say which are counted on with `to`, or name a step"
            )
        return next(iter(parents.values()))
    if config.to in parents:
        return parents[config.to]
    if known.unit(config.to) not in {"sample", *parents}:
        raise ValueError(
            f"`to: {config.to}`: rows of {unit} are made from {made_from}; count them on those or on sample"
        )
    return config.to


def reads(config: DifficultyStepConfig, known: Known) -> Reads:
    """Verdicts of the replies, dropped ones too; none may come of a prompt that showed the gold."""
    of = config.of or "rollout"
    right = Condition(config.correct)
    right.type(known.types(of))
    facts = {name: read(name, dtype, optional=True) for name, dtype in _FACTS.items()}
    sizes = {name: number(name, of, known, optional=True) for name in ("score", "tokens")}
    facts |= {name: read(name, dtype) for name, dtype in _stopped(of, known).items()}
    counted = Beside(of, {**facts, **sizes, **reads_of(right.references)}, dropped=True, lost=True, gold_free=True)
    return Reads(beside={"counted": counted})


def body(tables: Tables, config: DifficultyStepConfig, context: Context) -> Out:
    """`id` and `columns` of every row of which enough replies count.

    Reasons, after the step's name: `unmeasured` (none counts), `too_few` (fewer than `min_n`).
    Raises StepError where replies of several models would be counted as one's, and for those of a model that was shown the
    gold: what came with a source may be such.
    """
    replies = children_of(tables.rows, tables.beside["counted"])
    replies = replies.with_columns(Condition(config.correct).evaluate(replies).alias("correct"), sample_id="owner")
    replies = _of_one_model(replies, config, context.name)
    if seen := int(replies["gold_visible"].sum()):
        raise StepError(
            f"{context.name}: {seen} of the {replies.height} replies that it counts are of a model that was shown the gold "
            "(`gold_visible`); that measures no difficulty. Leave them out where they come from: in the `select` of a "
            "source, `list_filter(responses, reply -> NOT reply.gold_visible) AS responses`."
        )
    came_to = verdict().alias("came_to")
    wrong = (pl.col("came_to") == "wrong").sum().cast(pl.Int32)
    tallied = replies.with_columns(came_to).group_by(id="sample_id").agg(wrong=wrong)
    measured = measure(replies, config).join(tallied, on="id", how="left", maintain_order="left", validate="1:1")
    if "in_band" in replies.columns:
        ended = replies.group_by(id="sample_id").agg(pl.col(name).drop_nulls().first() for name in STOPPED)
        measured = measured.join(ended, on="id", how="left", maintain_order="left", validate="1:1")
    kept, dropped = drop_unmeasured(tables.rows.select("id"), measured, config)
    if config.unmeasured == "keep":
        kept, dropped = tables.rows.select("id").join(measured, on="id", how="left"), dropped.head(0)
        kept = kept.with_columns(pl.col(COUNTS).fill_null(0))
        some = pl.col("n") > 0  # 0 of 0 would read as never right
        kept = kept.with_columns(pl.when(some).then(name).alias(name) for name in ("k", "n"))
    kept = kept.with_columns(enough=enough(config).fill_null(False))
    found = dict(replies.select(came_to).group_by("came_to").len().iter_rows())
    every = columns(config) | (STOPPED if "in_band" in replies.columns else {})
    given = [pl.col(name).cast(dtype) for name, dtype in every.items()]
    notes: dict[str, int] = {name: found[name] for name in VERDICTS if name in found}
    return Out(kept.select("id", *given), named(dropped, context.name), notes=notes)


def _of_one_model(replies: pl.DataFrame, config: DifficultyStepConfig, name: str) -> pl.DataFrame:
    """The replies of the model that is counted. Where one was asked, those that were never had (`lost`) are its own."""
    lost = replies["lost"] if "lost" in replies.columns else pl.repeat(False, replies.height, eager=True)
    models = sorted(str(model) for model in replies.filter(~lost)["model"].unique())
    if config.model is None and len(models) > 1:
        raise StepError(
            f"{name}: the replies are of {', '.join(models)}, and k of n is one model's. Say whose they are with "
            f"`model: {models[0]}`, and count another's in a step of its own."
        )
    if len(models) == 1:
        whose = pl.lit(replies["model"].drop_nulls().first(), pl.String)
        replies = replies.with_columns(model=pl.when(lost & pl.col("model").is_null()).then(whose).otherwise("model"))
    return replies if config.model is None else replies.filter(pl.col("model") == config.model)


STEP = StepType(
    name="difficulty",
    summary="counts how often replies are right, on the rows that they answer",
    version=3,
    config=DifficultyStepConfig,
    reads=reads,
    gives=lambda config, known: Gives({**columns(config), **_stopped(config.of or "rollout", known)}),
    body=body,
    of="rollout",
    over=over,
    scope=lambda config: "sample",
    verdict=True,
    cures={"unmeasured": NO_EVIDENCE, "too_few": f"{NO_EVIDENCE}; or lower `min_n`"},
)
