"""What the model's insides say of each sample: attention over its replies, likelihood of the answer with the picture."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from filters.trace_verdicts import stated_gold
from generators import rollouts
from generators.signals.attention import COLUMN_SUMS, AttentionConfig, column_sums, log_psi, over_rollouts
from generators.signals.likelihood import LOGPROBS, LikelihoodConfig, logprobs, mean_logprob
from generators.signals.section import SignalsConfig
from pipelines.road.stage import Build, Outcome, Road, Stage, write_split
from pipelines.road.steps.tables import samples
from pipelines.run.driver import Receipt
from pipelines.run.signals import Signal, Text, count_missing, read_signal
from pipelines.store.workspace import write_table
from schemas.split import no_drops

if TYPE_CHECKING:
    from generators.signals.forced import ForcedModel

WHOLE, MASKED = "whole", "masked"

SIGNALS = pl.Schema(
    {
        "id": pl.String(),
        "model": pl.String(),
        "log_psi": pl.Float64(),
        "replies": pl.Int32(),
        "logprob": pl.Float64(),
        "logprob_masked": pl.Float64(),
        "reliance": pl.Float64(),
        "error": pl.String(),
    }
)
"""One row a sample and model. `log_psi`: RAP's attention over-concentration, natural log, over `replies` replies;
`logprob`: mean log-probability a token with the picture; `reliance`: the same less that with patches masked."""


def measure_signals(build: Build, stage: Stage, road: Road) -> Outcome:
    """Read the recipe's signals for every sample that is alive, one row a sample and model; none is dropped."""
    folder, receipts, tables = build.folder(stage), {}, []
    try:
        for place, model in enumerate(_section(build).models):
            tables.append(folder / f"model-{place}.parquet")
            receipts[model] = _measure(build, stage, road, model, tables[-1])
        kept = write_split(folder, pl.scan_parquet(tables), no_drops())
    finally:
        for path in tables:
            path.unlink(missing_ok=True)
    return Outcome(kept, kept, receipts)


def _measure(build: Build, stage: Stage, road: Road, model: str, out: Path) -> Receipt:
    """Write the rows of one model."""
    section, receipt, engine = _section(build), Receipt(), _once(build, model)
    table = samples(road, stage, ("id",)).sort("id").with_columns(model=pl.lit(model))
    rows, read = out.with_name("rows.parquet"), []
    try:
        for signal in _signals(build):
            write_table(_rows(build, stage, road, signal, model), rows)
            read.append(out.with_name(f"{signal.name}.parquet"))
            _add(receipt, read_signal(build, stage.name, model, signal, rows, read[-1], engine))
            table = table.join(_by_sample(signal, read[-1], section), on="id", how="left", maintain_order="left")
        write_table(_shaped(table), out)
    finally:
        for path in (rows, *read):
            path.unlink(missing_ok=True)
    return receipt


def missing_signals(build: Build, stage: Stage, road: Road) -> dict[str, int]:
    """By model, how many values the log lacks. The tables that the stage reads must be there."""
    found = dict.fromkeys(_section(build).models, 0)
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch) / "rows.parquet"
        for model in found:
            for signal in _signals(build):
                write_table(_rows(build, stage, road, signal, model), rows)
                found[model] += count_missing(build, model, signal, rows, Path(scratch))
    return found


def most_signals(build: Build) -> dict[str, int]:
    """By model, the most values that a sample may need."""
    section, replies = _section(build), build.recipe.rollouts.n if build.recipe.rollouts else 1
    of_attention = 0 if section.attention is None else 1 if section.attention.rollouts == "first" else replies
    likelihood = section.likelihood
    texts = 0 if likelihood is None else 1 if likelihood.of == "gold" else replies
    most = of_attention + texts * (2 if likelihood and likelihood.mask else 1)
    return dict.fromkeys(section.models, most)


def signals_identities(build: Build) -> list[dict[str, str]]:
    """The identities of the models that are read; loads none."""
    return [build.identities[model].to_json() for model in _section(build).models]


def _section(build: Build) -> SignalsConfig:
    assert build.recipe.signals is not None
    return build.recipe.signals


def _signals(build: Build) -> list[Signal]:
    section, found = _section(build), []
    if section.attention is not None:
        found.append(_attention(build, section.attention))
    if section.likelihood is not None:
        found.append(_likelihood(build, section.likelihood))
    return found


def _attention(build: Build, config: AttentionConfig) -> Signal:
    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row, request in _asked(build, rows):
            yield Text(row["id"], row["index"], WHOLE, Forced(request, row["text"]))

    return Signal(
        "attention",
        {"window": config.window},
        COLUMN_SUMS,
        texts,
        lambda model, forced: column_sums(model.attention(forced, config.window)),
        lambda values: log_psi(values, config),
    )


def _likelihood(build: Build, config: LikelihoodConfig) -> Signal:
    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row, request in _asked(build, rows):
            text = row["text"]
            if config.of == "gold":
                text = config.template.replace("{answer}", stated_gold(row["answer"], row["verifier"]))
            yield Text(row["id"], row["index"], WHOLE, Forced(request, text))
            if config.mask is not None and request.images:
                yield Text(row["id"], row["index"], MASKED, Forced(request, text, config.mask))

    return Signal(
        "likelihood",
        {"end": config.end},
        LOGPROBS,
        texts,
        lambda model, forced: logprobs(model.likelihood(forced, end=config.end)),
        mean_logprob,
    )


def _asked(build: Build, rows: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each row with the request that the student was sent for it."""
    assert build.recipe.rollouts is not None
    requests = rollouts.requests(rows.select(rollouts.COLUMNS), build.recipe.rollouts)
    return zip(rows.iter_rows(named=True), requests, strict=True)


def _rows(build: Build, stage: Stage, road: Road, signal: Signal, model: str) -> pl.LazyFrame:
    """What a signal is read on: samples with a `text` and its `index`, by id."""
    section = _section(build)
    asked = samples(road, stage, (*rollouts.COLUMNS, "answer", "verifier"))
    if signal.name == "likelihood" and section.likelihood and section.likelihood.of == "gold":
        return asked.with_columns(index=pl.lit(0, pl.Int32), text=pl.lit(None, pl.String)).sort("id")
    said = road.table("rollouts").filter(model=model).select("index", "text", id=pl.col("sample_id"))
    if signal.name == "attention" and section.attention and section.attention.rollouts == "first":
        said = said.group_by("id").agg(pl.all().sort_by(pl.col("text") == "", "index").first())
    return asked.join(said, on="id").sort("id", "index")


def _by_sample(signal: Signal, path: Path, section: SignalsConfig) -> pl.LazyFrame:
    """One row a sample from one row a text."""
    texts = pl.scan_parquet(path)
    error = pl.col("error").drop_nulls().first().alias(f"error_{signal.name}")
    if signal.name == "attention":
        assert section.attention is not None
        replies = pl.col("log_psi").count().cast(pl.Int32)
        return texts.group_by("id").agg(over_rollouts(section.attention), replies.alias("replies"), error)
    whole, masked = (pl.col("logprob").filter(pl.col("variant") == v).mean() for v in (WHOLE, MASKED))
    return texts.group_by("id").agg(
        whole.alias("logprob"), masked.alias("logprob_masked"), (whole - masked).alias("reliance"), error
    )


def _shaped(table: pl.LazyFrame) -> pl.LazyFrame:
    """The columns of `SIGNALS`; null where the recipe asks for no such signal."""
    there = table.collect_schema().names()
    errors = [pl.col(c) for c in there if c.startswith("error_")]
    rows = table.with_columns(error=pl.coalesce(errors))
    return rows.select(
        [(pl.col(c) if c in rows.collect_schema() else pl.lit(None)).cast(t).alias(c) for c, t in SIGNALS.items()]
    )


def _once(build: Build, name: str) -> "Any":
    """Loads the model at the first call; all signals share it."""
    held: list[ForcedModel] = []

    def engine() -> "ForcedModel":
        if not held:
            from generators.signals.forced import ForcedModel

            held.append(ForcedModel(build.recipe.models[name], build.media))
        return held[0]

    return engine


def _add(total: Receipt, part: Receipt) -> None:
    for fact in ("total", "samples", "errors", "seconds"):
        setattr(total, fact, getattr(total, fact) + getattr(part, fact))
