"""The step `signals`: what a model's insides say of each row: attention over its replies, likelihood of the answer.

The model reads the row's prompt, as its rollouts were asked for or as `prompt` says, and behind it a text: a reply, or the
gold. What it computes lies in the signals log (`pipelines.run.signals`), so other thresholds and reductions compute
nothing again. RAP's attention-confidence estimator (arXiv 2506.04755) reads `log_psi`; `reliance` is the likelihood form of
PAPO's patch masking (arXiv 2507.06448); `visnec`, `vig` and `cvs` rank samples (`generators.signals`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from pydantic import field_validator

from filters.reads import gold_reads
from generators.asking import contract
from generators.asking.config import AskConfig
from generators.signals.section import SignalsConfig
from pipelines.run.build import Build
from pipelines.run.context import StepContext
from pipelines.run.signals import Signal, count_missing, read_signal
from pipelines.steps import signal_texts
from pipelines.steps.as_asked import asked_by, makers, steps_before
from pipelines.store.row_groups import TableWriter
from pipelines.store.scratch import scratch
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table
from schemas.step import Beside, Computes, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, hidden, read

if TYPE_CHECKING:
    from generators.signals.forced import ForcedModel

ERROR = {"signal_error": pl.String()}
"""The first sentence on a text that the model could not read."""

_REPLIES = "replies"


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
    return signal_texts.gives(config) | ERROR


def _of(config: SignalsStepConfig) -> str | tuple[str, ...]:
    return config.of or ("rollout" if config.prompt is None else "sample")


def _over(config: SignalsStepConfig, known: Known) -> str | tuple[str, ...]:
    """The rows that the rollouts answer, or those that `prompt` puts.

    Raises ValueError where rollouts answer rows of several units.
    """
    if config.prompt is not None:
        return _of(config)
    parents = {unit: steps for unit, steps in known.parents(_of(config)).items() if steps}
    if len(parents) != 1:
        made = " and ".join(parents) or "nothing"
        raise ValueError(
            f"its rows are made from {made}; name with `of` the step whose replies answer the prompt, or write a `prompt`"
        )
    return next(iter(parents.values()))


def _prompted(config: SignalsStepConfig) -> AskConfig | None:
    if config.prompt is None:
        return None
    return AskConfig(model=config.model, prompt=config.prompt, system=config.system)


def _own(config: SignalsStepConfig, known: Known) -> AskConfig:
    return _prompted(config) or asked_by(makers(_of(config), known), steps_before(known))[1]


def _reads(config: SignalsStepConfig, known: Known) -> Reads:
    """What the prompt shows, the gold, and the replies. Raises ValueError for a model that made none of the replies."""
    own = _own(config, known)
    if config.reads_replies and config.model not in own.models:
        raise ValueError(f"it reads replies of '{config.model}', and they are of {', '.join(own.models)}")
    over = _over(config, known)
    rows = dict(contract.reads(own, known).rows)
    if config.validity is not None:  # the gold, which its prompt shows, is read as one, and shown to nobody else
        judge = contract.reads(signal_texts.judge_ask(config.validity, own), known).rows
        rows |= {name: one for name, one in judge.items() if name != "answer"}
    rows |= hidden(gold_reads(over, known))
    if config.prompt is not None:
        return Reads(rows)
    columns = {
        "model": read("model", pl.String()),
        "index": read("index", pl.Int32()),
        "text": read("text", pl.String()),
    }
    return Reads(rows, {_REPLIES: Beside(_of(config), columns, dropped=True)})


def body(tables: Tables, config: SignalsStepConfig, context: Context) -> Out:
    """`id` and what `gives` names of every row; none is dropped."""
    running = cast(StepContext, context)
    build, engine = running.build, _Loaded(running.build, str(config.model))
    found = tables.rows.select("id")
    with scratch(build.folder / running.name) as folder:
        for signal in signal_texts.signals_of(config, _asked(running, config)):
            rows, out = folder / "rows.parquet", folder / f"{signal.name}.parquet"
            _write_texts(tables.rows, running, signal, config, rows)
            read_signal(build, running.name, str(config.model), signal, rows, out, engine)
            by_row = signal_texts.by_row(signal.name, scan_table(out), config)
            found = found.join(by_row, on="id", how="left", maintain_order="left", validate="1:1")
    errors = [pl.col(name) for name in found.columns if name.startswith("error_")]
    found = found.with_columns(signal_error=pl.coalesce(errors))
    return Out(found.select("id", *(pl.col(name).cast(dtype) for name, dtype in gives(config).items())))


def most(config: SignalsStepConfig, own: Any) -> int:
    """How many texts of a row are read at most, whose rollouts were asked for by the section `own` (as JSON)."""
    return signal_texts.texts_a_row(config, int(own["n"]))


def missing(rows: pl.DataFrame, config: SignalsStepConfig, context: Context, folder: Path) -> int:
    """How many values of `rows` the log lacks; loads no model."""
    running, count = cast(StepContext, context), 0
    for signal in signal_texts.signals_of(config, _asked(running, config)):
        path = folder / "rows.parquet"
        _write_texts(rows, running, signal, config, path)
        count += count_missing(running.build, str(config.model), signal, path, folder)
    return count


def _asked(running: StepContext, config: SignalsStepConfig) -> AskConfig:
    """How rows are put to the model."""
    own = _prompted(config)
    if own is not None:
        return own
    return asked_by(running.step.beside[_REPLIES].node.makers, running.pipeline.before(running.step))[1]


def _write_texts(
    rows: pl.DataFrame, context: StepContext, signal: Signal, config: SignalsStepConfig, path: Path
) -> None:
    """Write what a signal is read on: rows with a `reply` and its `index`. A bucket of replies is in memory at a time."""
    if signal_texts.reads_gold(signal.name, config):
        write_table(rows.with_columns(index=pl.lit(0, pl.Int32), reply=pl.lit(None, pl.String)).sort("id"), path)
        return
    with TableWriter(path, pl.Schema({**rows.schema, "index": pl.Int32(), "reply": pl.String()})) as table:
        for bucket in context.buckets:
            replies = context.beside(_REPLIES, bucket).filter(model=config.model)
            reply = replies.select("index", id="parent_id", reply="text")
            if signal.name == "attention" and config.attention is not None and config.attention.rollouts == "first":
                reply = reply.group_by("id").agg(pl.all().sort_by(pl.col("reply") == "", "index").first())
            table.add(rows.join(reply, on="id").sort("id", "index"))


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
    summary="reads attention, the likelihood of answers with and without images, or their validity off a model",
    version=3,
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
