"""Run a stage that asks models: what is wanted, what is missing, ask that, put everything together.

The prompts are rendered twice, once to know their keys and once to send those that are missing, because ten million
rendered prompts do not fit in memory and rendering is cheap beside asking.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from pipelines.road.stage import Asks, Build, Outcome, Requests, Road, Shards, Stage, shards
from pipelines.run.driver import Call, Heard, Receipt, drive
from pipelines.run.refusals import Refusals
from pipelines.store.completions import WANTED, check_columns, no_answers, wanted_rows
from pipelines.store.ordering import write_joined, write_sorted
from pipelines.store.row_groups import batches
from schemas.completion import ModelIdentity, prompt_key
from schemas.errors import StageError
from schemas.split import no_drops, split

CUT_OFF = 0.2
"""From this share of answers cut off at the limit of tokens on, a stage says so."""
_ENDS = "ends"
_ENDS_SCHEMA = {"finish_reason": pl.String, "samples": pl.Int64, "model": pl.String}


class Paths(NamedTuple):
    """The files of one model's turn: rows, those it is not asked about, keys wanted, keys missing, rows that miss some."""

    input: Path
    passed: Path
    wanted: Path
    missing: Path
    needy: Path


AskModel = Callable[[Build, Stage, str, Paths, Shards], Receipt]


def ask_model(build: Build, stage: Stage, model: str, paths: Paths, parts: Shards) -> Receipt:
    """Ask one model what the log does not hold, then let the stage read all of its answers, a piece at a time."""
    asks, section, identity = stage.asks, stage.section(build.recipe), build.identities[model]
    assert asks is not None
    try:
        write_wanted(paths.input, model, identity, asks.requests, section, paths.wanted, paths.passed)
        build.log.heal()
        refusals = Refusals(build, model, paths.wanted)
        total = refusals.leave_out(paths.missing, build.log.missing(paths.wanted, paths.missing))
        receipt = Receipt()
        if total:
            # A prompt that many rows share has one row that stands for it, so it is sent once.
            write_joined(paths.input, paths.missing, paths.needy)
            calls = _calls(paths.needy, identity, asks.requests, section)
            receipt = send(build, stage, model, total, calls, refusals)
        for batch in refusals.explained(build.log.answers(paths.wanted, paths.input)):
            take(asks, section, model, batch, parts)
        refusals.note(receipt)
        return receipt
    finally:
        for path in (paths.missing, paths.needy):
            path.unlink(missing_ok=True)


def take(asks: Asks, section: Any, model: str, answers: pl.DataFrame, parts: Shards) -> None:
    """Let a stage read a piece of a model's answers, and count how they ended."""
    parted = asks.collect(answers.with_columns(model=pl.lit(model)), section)
    parts.add("kept", parted.kept)
    parts.add("dropped", parted.dropped)
    ends = answers.filter(pl.col("finish_reason") != "error").group_by("finish_reason").len("samples")
    parts.add(_ENDS, ends.select("finish_reason", pl.col("samples").cast(pl.Int64), model=pl.lit(model)))


def ask(
    build: Build,
    stage: Stage,
    road: Road,
    ask_model: AskModel = ask_model,
    beside: Mapping[str, pl.DataFrame] = MappingProxyType({}),
) -> Outcome:
    """Ask the stage's models about its rows and write the kept and dropped tables of its folder.

    Rows for which `requests` yields nothing are dropped as `stage:<Asks.passed>`. `ask_model` is how one model is asked,
    `beside` names the tables (empty ones) that it writes beside kept and dropped.
    """
    asks, section, folder = stage.asks, stage.section(build.recipe), build.folder(stage)
    assert asks is not None
    input_ = folder / "input.parquet"
    receipts: dict[str, Receipt] = {}
    try:
        rows = asks.rows(road, stage)
        columns = rows.collect_schema()
        check_columns(columns)
        names_model = "model" in columns
        write_sorted(rows, ("id",), input_, build.memory)
        with shards(folder) as parts:
            for place, model in enumerate(stage.models(build.recipe)):
                names = ("passed", "wanted", "missing", "needy")
                paths = Paths(input_, *(folder / f"{name}-{place}.parquet" for name in names))
                receipts[model] = ask_model(build, stage, model, paths, parts)
                if place == 0 or names_model:  # what a row is asked differs by model only where it names its model
                    _drop_passed(stage, paths.passed, parts)
                paths.passed.unlink()
            nothing = asks.collect(no_answers(input_).with_columns(model=pl.lit(None, pl.String)), section)
            kept, dropped = parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
            for table, empty in beside.items():
                parts.finish(table, empty)
            parts.finish(_ENDS, pl.DataFrame(schema=_ENDS_SCHEMA))
            warnings = _cut_off(stage, section, pl.read_parquet(folder / f"{_ENDS}.parquet"))
            (folder / f"{_ENDS}.parquet").unlink()
    finally:
        input_.unlink(missing_ok=True)
    if dropped and not kept:
        _check_one_answered(stage, folder / "dropped.parquet")
    return Outcome(kept + dropped, kept, receipts, warnings=warnings)


def _drop_passed(stage: Stage, passed: Path, parts: Shards) -> None:
    """Drop the rows that no model was asked about, so that none is passed over in silence."""
    assert stage.asks is not None
    reason = pl.lit(f"{stage.name}:{stage.asks.passed}")
    for rows in batches(passed):
        parts.add("dropped", split(rows, reason, {"sample_id": pl.col("sample_id")}).dropped)


def _cut_off(stage: Stage, section: Any, ends: pl.DataFrame) -> tuple[str, ...]:
    """A sentence for each model of whose answers `CUT_OFF` or more ended at the limit of tokens."""
    assert stage.asks is not None
    key = stage.asks.limit or f"{stage.name}.sampling.max_tokens"
    cut = pl.col("samples").filter(pl.col("finish_reason") == "length").sum()
    found = ends.group_by("model", maintain_order=True).agg(cut=cut, all=pl.col("samples").sum())
    return tuple(
        f"{cut:,} of {total:,} answers of '{model}' ({cut / total:.0%}) were cut off before they ended; raise {key}."
        for model, cut, total in found.iter_rows()
        if cut and cut >= CUT_OFF * total
    )


def _check_one_answered(stage: Stage, path: Path) -> None:
    """Raise StageError where every request failed: that is a wrong recipe, not bad rows, and gives no release."""
    error = pl.col("evidence").str.json_path_match("$.error")
    lost = pl.scan_parquet(path).select("reason", error=error).collect()
    if lost["reason"].str.ends_with(":error").all():
        first = lost["error"].drop_nulls().head(1)
        told = f": {first.item()}" if len(first) else ""
        raise StageError(f"Stage '{stage.name}' got no answer, all {lost.height:,} requests failed{told}.")


def write_wanted(
    rows: Path,
    model: str,
    identity: ModelIdentity,
    requests: Requests,
    config: Any,
    out: Path,
    passed: Path | None = None,
) -> None:
    """Write the keys of everything that `rows` want to know of a model. A row that names its `model` asks only that one.

    Rows that want to know nothing go to `passed` (`id, sample_id`).
    """
    with shards(out.parent, out.stem) as parts:
        for batch in batches(rows):
            mine = batch.filter(pl.col("model") == model) if "model" in batch.columns else batch
            found = [row for r in requests(mine, config) for row in wanted_rows(r, prompt_key(identity, r))]
            wanted = pl.DataFrame(found, schema=WANTED, orient="row")
            parts.add(out.stem, wanted)
            if passed is not None:
                sample = "sample_id" if "sample_id" in mine.columns else "id"
                lost = mine.join(wanted, on="id", how="anti", maintain_order="left")
                parts.add(passed.stem, lost.select("id", sample_id=sample))
        parts.finish(out.stem, pl.DataFrame(schema=WANTED))
        if passed is not None:
            parts.finish(passed.stem, pl.DataFrame(schema={"id": pl.String, "sample_id": pl.String}))


def _calls(needy: Path, identity: ModelIdentity, requests: Requests, config: Any) -> Iterator[Call]:
    """The missing requests, rendered again as the driver takes them."""
    for batch in batches(needy):
        wanted = dict(batch.select("id", "indexes").iter_rows())
        for request in requests(batch, config):
            yield Call(request, prompt_key(identity, request), tuple(wanted[request.id]))


def send(
    build: Build,
    stage: Stage,
    name: str,
    total: int,
    calls: Iterator[Call],
    refusals: Refusals,
    heard: Heard | None = None,
) -> Receipt:
    """Send calls, `total` samples at most, to the model of that name; `heard` is told of the answers as they come.

    Raises StageError in a replay, which asks no model.
    """
    if build.replay:
        raise StageError(
            f"Replay: {total} completions of stage '{stage.name}' are not in the log, and a replay asks no model. "
            f"Run `curate build {build.recipe.name}` without --replay to ask for them."
        )
    from generators.engines.select import make_engine

    engine = make_engine(build.recipe.models[name], build.media)
    with build.log.writer(engine.identity, refusals.terms, build.run) as log:
        return drive(
            calls,
            engine,
            log,
            build.recipe.driver,
            total=total,
            report=lambda r: build.progress(stage.name, r),
            heard=heard,
            before=refusals.before(),
        )
