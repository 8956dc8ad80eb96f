"""The step `rollout`, which may stop early: a sample whose answers so far decide is asked no more (`filters.stopping`).

What a sample is asked follows from its own answers, in the order of their indexes, so a replay asks the same. Answers are
judged by rules as they come, with the gold that the student is not shown; opinions of a judge come too late to decide.
Without `adaptive` every sample is asked `n` times (`generators.presets.rollout`).
"""

from collections.abc import Iterator
from functools import cache

import polars as pl
from pydantic import Field, model_validator

from filters.difficulty import Counted, DifficultyConfig, outcome
from filters.reads import gold_reads
from filters.stopping import Outcome, Stop, StoppingRule
from filters.verify.step import judged
from generators.asking.requests import requests as put
from generators.presets import rollout
from generators.presets.rollout import RolloutConfig, expand
from schemas.adaptive import AdaptiveConfig
from schemas.completion import Request
from schemas.ids import content_id
from schemas.step import Asks, Context, Gives, Known, Out, Reads, StepType, Tables, hidden

STOPPED = {"in_band": pl.Boolean(), "stopped": pl.String()}
"""What each rollout says of its sample: whether its answers lie in the band, and what decided (`filters.stopping.Stop`)."""

BASE = rollout.STEP
assert BASE.asks is not None


class Adaptive(AdaptiveConfig):
    """When to stop, and what an answer counts as that is neither right nor wrong; as in the step that counts them."""

    truncated: Counted = Field(default="unscored", description="an answer that was cut off: wrong, or no evidence")
    no_answer: Counted = Field(default="unscored", description="an unreadable answer: wrong, or no evidence")


class AdaptiveRolloutConfig(RolloutConfig):
    """How students are asked, and when they have been asked enough."""

    adaptive: Adaptive | None = Field(
        default=None, description="stop early where the answers so far decide; n is then the most that is asked"
    )

    @model_validator(mode="after")
    def _can_stop(self) -> "AdaptiveRolloutConfig":
        if self.adaptive is None:
            return self
        if self.adaptive.band is not None and self.adaptive.band[1] > self.n:
            raise ValueError(
                f"adaptive.band counts right answers out of n = {self.n}, so it cannot end at {self.adaptive.band[1]}"
            )
        if self.tries > 1 or self.conclude is not None:
            raise ValueError("`adaptive` asks for one rollout after another; it goes without `tries` and `conclude`")
        return self


@cache
def _rule(n: int, config: AdaptiveConfig) -> StoppingRule:
    return StoppingRule(n, config)


def _reads(config: AdaptiveRolloutConfig, known: Known) -> Reads:
    found = BASE.reads(config, known)
    if config.adaptive is None:
        return found
    return Reads({**found.rows, **hidden(gold_reads(config.of or "sample", known))})


def _gives(config: AdaptiveRolloutConfig, known: Known) -> Gives:
    found = BASE.gives(config, known)
    return found if config.adaptive is None else Gives({**found.columns, **STOPPED}, makes=found.makes)


def requests(rows: pl.DataFrame, config: AdaptiveRolloutConfig) -> Iterator[Request]:
    """All `n` rollouts of each row, or those before the first look."""
    first = config.n if config.adaptive is None else _rule(config.n, config.adaptive).looks[0]
    return put(rows, expand(config.model_copy(update={"n": first})))


def more(
    rows: pl.DataFrame, answers: pl.DataFrame, config: AdaptiveRolloutConfig, context: Context
) -> Iterator[Request]:
    """The rollouts up to the next look, of rows whose answers (of one model) decide nothing yet.

    Where the model was not reached, the row waits for the next build.
    """
    if config.adaptive is None:
        assert BASE.asks is not None and BASE.asks.more is not None
        yield from BASE.asks.more(rows, answers, config, context)
        return
    late = answers.filter(pl.col("turn") == pl.col("turn").max())["id"].unique()  # the others were decided before
    open_ = rows.filter(pl.col("id").is_in(late.implode()))
    seen = dict(answers.group_by("id").len().iter_rows())
    wanted: dict[str, tuple[int, int]] = {}
    for (id_, _), stop in stops(open_, answers, config, context).items():
        if stop.stopped == "unanswered" and stop.asked > seen[id_]:
            wanted[id_] = (seen[id_], stop.asked - seen[id_])
    asking = expand(config)
    for request in put(open_.filter(pl.col("id").is_in(list(wanted))), asking):
        first, n = wanted[request.id]
        yield Request(request.id, request.messages, request.sampling, n=n, prefix=request.prefix, first=first,
                      constraint=request.constraint)  # fmt: skip


def stops(
    rows: pl.DataFrame, answers: pl.DataFrame, config: AdaptiveRolloutConfig, context: Context
) -> dict[tuple[str, str], Stop]:
    """What each model has answered of each row, from the answers that there are."""
    assert config.adaptive is not None
    rule = _rule(config.n, config.adaptive)
    known = pl.DataFrame(
        _outcomes(rows, answers, config, context), schema=["id", "model", "index", "outcome"], orient="row"
    )
    found: dict[tuple[str, str], list[Outcome]] = {}
    for id_, model, index, what in known.iter_rows():
        found.setdefault((id_, model), ["missing"] * config.n)[index] = what
    return {of: rule.walk(answers) for of, answers in found.items()}


def _outcomes(
    rows: pl.DataFrame, answers: pl.DataFrame, config: AdaptiveRolloutConfig, context: Context
) -> list[tuple[str, str, int, Outcome]]:
    """What is known of each answer: `id, model, index, outcome`."""
    assert config.adaptive is not None
    ask, counting = (
        expand(config),
        DifficultyConfig(truncated=config.adaptive.truncated, no_answer=config.adaptive.no_answer),
    )
    golds = rows.select(of="id", **{name: pl.col(f"gold:{name}") for name in ("answer", "verifier", "options")})
    known = answers.drop("of").rename({"id": "of"}).join(golds, on="of", how="inner", maintain_order="left")
    known = known.with_row_index("place").with_columns(
        id=pl.format("{}", "place"), response=pl.col("text"), had=pl.col("finish_reason").is_in(["stop", "length"])
    )
    counts = judged(known.filter("had"), context.verifiers(), ask.answer_tags).select("id", counts=outcome(counting))
    both = known.join(counts, on="id", how="left", maintain_order="left", validate="1:1")
    missing, unscored = pl.col("finish_reason").is_null(), pl.col("counts").is_null()
    what = (
        pl.when(missing).then(pl.lit("missing")).when(unscored).then(pl.lit("unscored"))
        .when("counts").then(pl.lit("right")).otherwise(pl.lit("wrong"))
    )  # fmt: skip
    return both.select("of", "model", "index", outcome=what).rows()


def body(tables: Tables, config: AdaptiveRolloutConfig, context: Context) -> Out:
    """The rollouts that were asked for, each with `STOPPED` of its sample and model."""
    if config.adaptive is None:
        return BASE.body(tables, config, context)
    ended = stops(tables.rows, tables.answers, config, context)
    once = tables.answers.with_columns(turn=pl.lit(0, pl.Int32), of=pl.lit(0, pl.Int32))  # the waves are samples of one
    out = BASE.body(tables._replace(answers=once), config, context)
    assert out.rows is not None
    never = [
        content_id([context.name, id_, model, index])
        for (id_, model), stop in ended.items()
        for index in range(stop.asked, config.n)
    ]
    rows, drops = (table.filter(~pl.col("id").is_in(never)) for table in (out.rows, out.drops))
    schema = {"parent_id": pl.String(), "model": pl.String(), **STOPPED}
    found = [(*of, stop.in_band, stop.stopped) for of, stop in ended.items()]
    decided = pl.DataFrame(found, schema=schema, orient="row")
    rows = rows.join(decided, on=["parent_id", "model"], how="left", maintain_order="left", validate="m:1")
    asked = sum(stop.asked for stop in ended.values())
    return out._replace(rows=rows, drops=drops, notes={"asked": asked, "of": len(ended) * config.n})


STEP = StepType(
    name="rollout",
    summary=BASE.summary,
    version=BASE.version,
    config=AdaptiveRolloutConfig,
    reads=_reads,
    gives=_gives,
    body=body,
    of="sample",
    asks=Asks(models=BASE.asks.models, requests=requests, more=more, most=BASE.asks.most),
    expand=expand,
    adds=lambda config: "" if config.adaptive is None else "asks a sample until its answers so far decide",
    fan=BASE.fan,
)
