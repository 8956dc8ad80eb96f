"""Run a stage that asks models: what is wanted, what is missing, ask that, put everything together.

The prompts are rendered twice, once to know their keys and once to send those that are missing, because ten million
rendered prompts do not fit in memory and rendering is cheap beside asking.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.completions import WANTED, wanted_rows
from pipelines.driver import Call, Receipt, drive
from pipelines.stage import Build, Outcome, Requests, Road, Shards, Stage, shards
from pipelines.workspace import write_table
from schemas.completion import ModelIdentity, prompt_key
from schemas.errors import StageError
from schemas.split import no_drops

BATCH = 8192


def ask(build: Build, stage: Stage, road: Road) -> Outcome:
    """Ask the stage's models about its rows and write the kept and dropped tables of its folder.

    Rows for which `requests` yields nothing are passed over: they are not this stage's business.
    """
    asks, section, folder = stage.asks, stage.section(build.recipe), build.folder(stage)
    assert asks is not None
    input_ = folder / "input.parquet"
    receipts: dict[str, Receipt] = {}
    try:
        write_table(asks.rows(road, stage).sort("id"), input_)
        with shards(folder) as parts:
            for place, model in enumerate(stage.models(build.recipe)):
                paths = [folder / f"{name}-{place}.parquet" for name in ("wanted", "missing", "needy", "answers")]
                receipts[model] = _ask_model(build, stage, model, (input_, *paths), parts)
            nothing = asks.collect(_no_answers(build, input_, folder), section)
            kept, dropped = parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
    finally:
        input_.unlink(missing_ok=True)
    return Outcome(kept + dropped, kept, receipts)


def _ask_model(build: Build, stage: Stage, model: str, paths: tuple[Path, ...], parts: Shards) -> Receipt:
    """Ask one model what the log does not hold, then let the stage read all of its answers, a piece at a time."""
    asks, section, identity = stage.asks, stage.section(build.recipe), build.identities[model]
    assert asks is not None
    input_, wanted, missing, needy, answers = paths
    try:
        write_wanted(input_, identity, asks.requests, section, wanted)
        build.log.heal()
        total = build.log.missing(wanted, missing)
        receipt = Receipt()
        if total:
            # A prompt that many rows share has one row that stands for it, so it is sent once.
            one_each = pl.scan_parquet(missing).select("id", "indexes")
            write_table(pl.scan_parquet(input_).join(one_each, on="id", maintain_order="left"), needy)
            receipt = _ask_missing(build, stage, model, total, _calls(needy, identity, asks.requests, section))
        build.log.answers(wanted, input_, answers)
        for batch in _whole_rows(batches(answers)):
            parted = asks.collect(batch.with_columns(model=pl.lit(model)), section)
            parts.add("kept", parted.kept)
            parts.add("dropped", parted.dropped)
        return receipt
    finally:
        for path in (missing, needy, answers):
            path.unlink(missing_ok=True)


def _no_answers(build: Build, input_: Path, folder: Path) -> pl.DataFrame:
    """No answer at all, with the columns that answers have."""
    none, answers = folder / "none.parquet", folder / "answers.parquet"
    try:
        write_table(pl.DataFrame(schema=WANTED), none)
        build.log.answers(none, input_, answers)
        return pl.read_parquet(answers).with_columns(model=pl.lit(None, pl.String))
    finally:
        none.unlink(missing_ok=True)
        answers.unlink(missing_ok=True)


def write_wanted(rows: Path, identity: ModelIdentity, requests: Requests, config: Any, out: Path) -> None:
    """Write the keys of everything that `rows` want to know."""
    with shards(out.parent, out.stem) as parts:
        for batch in batches(rows):
            found = [row for r in requests(batch, config) for row in wanted_rows(r, prompt_key(identity, r))]
            parts.add(out.stem, pl.DataFrame(found, schema=WANTED, orient="row"))
        parts.finish(out.stem, pl.DataFrame(schema=WANTED))


def batches(path: Path, size: int = BATCH) -> Iterator[pl.DataFrame]:
    """A parquet table in pieces, in its order; only one piece is in memory."""
    scan = pl.scan_parquet(path)
    for batch in scan.collect_batches(chunk_size=size, maintain_order=True):
        yield from batch.iter_slices(size)


def _calls(needy: Path, identity: ModelIdentity, requests: Requests, config: Any) -> Iterator[Call]:
    """The missing requests, rendered again as the driver takes them."""
    for batch in batches(needy):
        wanted = dict(batch.select("id", "indexes").iter_rows())
        for request in requests(batch, config):
            yield Call(request, prompt_key(identity, request), tuple(wanted[request.id]))


def _whole_rows(pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same pieces, cut so that all answers of a row (they stand together) are in one."""
    rest: pl.DataFrame | None = None
    for piece in pieces:
        table = piece if rest is None else pl.concat([rest, piece])
        last = pl.col("id") == table["id"][-1]
        rest = table.filter(last)
        if rest.height < table.height:
            yield table.filter(~last)
    if rest is not None:
        yield rest


def _ask_missing(build: Build, stage: Stage, name: str, total: int, calls: Iterator[Call]) -> Receipt:
    if build.replay:
        raise StageError(
            f"Replay: {total} completions of stage '{stage.name}' are not in the log, and a replay asks no model. "
            f"Run `curate build {build.recipe.name}` without --replay to ask for them."
        )
    from generators.engines.select import make_engine

    engine = make_engine(build.recipe.models[name], build.media)
    with build.log.writer(engine.identity) as log:
        return drive(
            calls, engine, log, build.recipe.driver, total=total, report=lambda r: build.progress(stage.name, r)
        )
