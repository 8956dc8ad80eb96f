"""The step `signals`: what a model's insides say of each row: attention over its replies, likelihood of the answer.

The model reads the row's prompt as its rollouts were asked for, and a text behind it: a reply that was made, or the gold.
What it computes lies in the signals log (`pipelines.run.signals`), so other thresholds and reductions compute nothing again.
RAP's attention-confidence estimator (arXiv 2506.04755) reads `log_psi`; `reliance` is the likelihood form of PAPO's patch
masking (arXiv 2507.06448).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from pydantic import field_validator

from filters.reads import gold_reads
from filters.trace_verdicts import stated_gold
from generators.asking import contract
from generators.asking.config import AskConfig
from generators.asking.requests import Asking, Put
from generators.rendering import RenderError
from generators.signals.attention import COLUMN_SUMS, AttentionConfig, column_sums, log_psi, over_rollouts
from generators.signals.likelihood import LOGPROBS, LikelihoodConfig, logprobs, mean_logprob
from generators.signals.section import SignalsConfig
from generators.template import Template
from pipelines.run.build import Build
from pipelines.run.context import StepContext
from pipelines.run.signals import Signal, Text, count_missing, read_signal
from pipelines.steps.as_asked import asked_by, makers, steps_before
from pipelines.store.row_groups import TableWriter
from pipelines.store.scratch import scratch
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table
from schemas.completion import Request
from schemas.step import Beside, Computes, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, hidden, read

if TYPE_CHECKING:
    from generators.signals.forced import ForcedModel

ATTENTION = {"log_psi": pl.Float64(), "replies": pl.Int32()}
"""RAP's attention over-concentration, natural log, over `replies` replies; null where there is no text."""

LIKELIHOOD = {"logprob": pl.Float64()}
MASKED = {"logprob_masked": pl.Float64(), "reliance": pl.Float64()}
"""The mean log-probability a token with the image, with patches of it masked, and the first less the second."""

ERROR = {"signal_error": pl.String()}
"""The first sentence on a text that the model could not read."""

_REPLIES = "replies"
_WHOLE, _MASKED = "whole", "masked"


class SignalsStepConfig(SignalsConfig, StepConfig):
    """Which model is read, and on whose rollouts (`of`)."""

    @field_validator("model")
    @classmethod
    def _one(cls, model: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(model, str):
            raise ValueError("rows have the signals of one model; read another in a step of its own")
        return model


def gives(config: SignalsStepConfig) -> dict[str, pl.DataType]:
    """The columns of the signals that the section names."""
    found: dict[str, pl.DataType] = {}
    if config.attention is not None:
        found |= ATTENTION
    if config.likelihood is not None:
        found |= LIKELIHOOD if config.likelihood.mask is None else {**LIKELIHOOD, **MASKED}
    return found | ERROR


def _of(config: SignalsStepConfig) -> str | tuple[str, ...]:
    return config.of or "rollout"


def _over(config: SignalsStepConfig, known: Known) -> str | tuple[str, ...]:
    """The rows that the rollouts answer. Raises ValueError where they answer rows of several units."""
    parents = known.parents(_of(config))
    if len(parents) != 1:
        raise ValueError(f"its rows are made from {' and '.join(parents) or 'nothing'}; name one step with `of`")
    return next(iter(parents.values()))


def _own(config: SignalsStepConfig, known: Known) -> AskConfig:
    return asked_by(makers(_of(config), known), steps_before(known))[1]


def _reads(config: SignalsStepConfig, known: Known) -> Reads:
    """What the prompt shows, the gold, and the replies. Raises ValueError for a model that made none of the replies."""
    own = _own(config, known)
    if config.reads_replies and config.model not in own.models:
        raise ValueError(f"it reads replies of '{config.model}', and they are of {', '.join(own.models)}")
    over = _over(config, known)
    columns = {
        "model": read("model", pl.String()),
        "index": read("index", pl.Int32()),
        "text": read("text", pl.String()),
    }
    replies = Beside(_of(config), columns, dropped=True)
    return Reads({**contract.reads(own, known).rows, **hidden(gold_reads(over, known))}, {_REPLIES: replies})


def body(tables: Tables, config: SignalsStepConfig, context: Context) -> Out:
    """`id` and what `gives` names of every row; none is dropped."""
    running = cast(StepContext, context)
    build, engine = running.build, _Loaded(running.build, str(config.model))
    asking = _asking(running)
    found = tables.rows.select("id")
    with scratch(build.folder / running.name) as folder:
        for signal in _signals(config, asking):
            rows, out = folder / "rows.parquet", folder / f"{signal.name}.parquet"
            _write_texts(tables.rows, running, signal, config, rows)
            read_signal(build, running.name, str(config.model), signal, rows, out, engine)
            by_row = _by_row(signal, out, config)
            found = found.join(by_row, on="id", how="left", maintain_order="left", validate="1:1")
    errors = [pl.col(name) for name in found.columns if name.startswith("error_")]
    found = found.with_columns(signal_error=pl.coalesce(errors))
    return Out(found.select("id", *(pl.col(name).cast(dtype) for name, dtype in gives(config).items())))


def most(config: SignalsStepConfig, own: Any) -> int:
    """How many texts of a row are read at most, whose rollouts were asked for by the section `own` (as JSON)."""
    count, replies = 0, int(own["n"])
    if config.attention is not None:
        count += 1 if config.attention.rollouts == "first" else replies
    if config.likelihood is not None:
        count += (1 if config.likelihood.of == "gold" else replies) * (2 if config.likelihood.mask is not None else 1)
    return count


def missing(rows: pl.DataFrame, config: SignalsStepConfig, context: Context, folder: Path) -> int:
    """How many values of `rows` the log lacks; loads no model."""
    running, count = cast(StepContext, context), 0
    for signal in _signals(config, _asking(running)):
        path = folder / "rows.parquet"
        _write_texts(rows, running, signal, config, path)
        count += count_missing(running.build, str(config.model), signal, path, folder)
    return count


def _asking(running: StepContext) -> Asking:
    """How the rollouts were asked for."""
    return Asking(asked_by(running.step.beside[_REPLIES].node.makers, running.pipeline.before(running.step))[1])


def _write_texts(
    rows: pl.DataFrame, context: StepContext, signal: Signal, config: SignalsStepConfig, path: Path
) -> None:
    """Write what a signal is read on: rows with a `reply` and its `index`. A bucket of replies is in memory at a time."""
    if signal.name == "likelihood" and config.likelihood is not None and config.likelihood.of == "gold":
        write_table(rows.with_columns(index=pl.lit(0, pl.Int32), reply=pl.lit(None, pl.String)).sort("id"), path)
        return
    with TableWriter(path, pl.Schema({**rows.schema, "index": pl.Int32(), "reply": pl.String()})) as table:
        for bucket in context.buckets:
            replies = context.beside(_REPLIES, bucket).filter(model=config.model)
            reply = replies.select("index", id="parent_id", reply="text")
            if signal.name == "attention" and config.attention is not None and config.attention.rollouts == "first":
                reply = reply.group_by("id").agg(pl.all().sort_by(pl.col("reply") == "", "index").first())
            table.add(rows.join(reply, on="id").sort("id", "index"))


def _signals(config: SignalsStepConfig, asking: Asking) -> Iterator[Signal]:
    if config.attention is not None:
        yield _attention(config.attention, asking)
    if config.likelihood is not None:
        yield _likelihood(config.likelihood, asking)


def _attention(config: AttentionConfig, asking: Asking) -> Signal:
    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row, request in _asked(rows, asking, whole=True):
            yield Text(row["id"], row["index"], _WHOLE, Forced(request, row["reply"]))

    return Signal(
        "attention",
        {"window": config.window},
        COLUMN_SUMS,
        texts,
        lambda model, forced: column_sums(model.attention(forced, config.window)),
        lambda values: log_psi(values, config),
    )


def _likelihood(config: LikelihoodConfig, asking: Asking) -> Signal:
    around = Template(config.template)

    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row, request in _asked(rows, asking, whole=config.of == "rollouts"):
            text = row["reply"]
            if config.of == "gold":
                if row["gold:answer"] is None:
                    continue
                text = around.render({"answer": stated_gold(row["gold:answer"], row["gold:verifier"])})
            yield Text(row["id"], row["index"], _WHOLE, Forced(request, text))
            if config.mask is not None and request.images:
                yield Text(row["id"], row["index"], _MASKED, Forced(request, text, config.mask))

    return Signal(
        "likelihood",
        {"end": config.end},
        LOGPROBS,
        texts,
        lambda model, forced: logprobs(model.likelihood(forced, end=config.end)),
        mean_logprob,
    )


def _asked(rows: pl.DataFrame, asking: Asking, *, whole: bool) -> Iterator[tuple[dict[str, Any], Request]]:
    """Each row with the request that its rollouts answer; a `whole` reply has the words that it was made to begin with."""
    for row in rows.iter_rows(named=True):
        try:
            put: Put = asking.put(row)
        except RenderError:
            continue
        yield row, Request(row["id"], put.messages, asking.config.sampling, prefix="" if whole else put.prefix)


def _by_row(signal: Signal, path: Path, config: SignalsStepConfig) -> pl.DataFrame:
    """One row an id from one row a text."""
    texts = scan_table(path)
    error = pl.col("error").drop_nulls().first().alias(f"error_{signal.name}")
    if signal.name == "attention":
        assert config.attention is not None
        replies = pl.col("log_psi").count().cast(pl.Int32)
        return texts.group_by("id").agg(over_rollouts(config.attention), replies.alias("replies"), error).collect()
    whole, masked = (pl.col("logprob").filter(pl.col("variant") == v).mean() for v in (_WHOLE, _MASKED))
    return (
        texts.group_by("id")
        .agg(whole.alias("logprob"), masked.alias("logprob_masked"), (whole - masked).alias("reliance"), error)
        .collect()
    )


class _Loaded:
    """The model, loaded when it is first asked for; all signals share it."""

    def __init__(self, build: Build, name: str) -> None:
        self._build, self._name = build, name
        self._held: ForcedModel | None = None

    def __call__(self) -> "ForcedModel":
        if self._held is None:
            from generators.signals.forced import ForcedModel

            self._held = ForcedModel(self._build.recipe.models[self._name], self._build.media)
        return self._held


def _check(config: SignalsStepConfig, build: Any) -> None:
    from generators.signals.forced import check_signals

    for name in config.models:
        check_signals(build.recipe.models[name])


STEP = StepType(
    name="signals",
    summary="reads attention over replies, or the likelihood of answers, off a model",
    version=2,
    config=SignalsStepConfig,
    reads=_reads,
    gives=lambda config, known: Gives(gives(config)),
    body=body,
    over=_over,
    scope=lambda config: "all",
    check=_check,
    loads=lambda config: config.models,
    computes=Computes(most, missing),
    facts=lambda config, build: build.identities[config.model].to_json(),
    before=lambda config, known: _own(config, known).model_dump(mode="json"),
    verdict=True,
    streams=True,
)
