"""Run a stage that asks a model: what is wanted, what is missing, ask that, put everything together.

The prompts are rendered twice, once to know their keys and once to send those that are missing, because ten million
rendered prompts do not fit in memory and rendering is cheap beside asking.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.completions import WANTED, wanted_rows
from pipelines.driver import Call, Receipt, drive
from pipelines.stage import Build, Outcome, Stage, shards
from pipelines.workspace import write_table
from schemas.completion import ModelIdentity, Request, prompt_key
from schemas.errors import StageError
from schemas.split import Split, no_drops

BATCH = 8192

Requests = Callable[[pl.DataFrame, Any], Iterator[Request]]
Collect = Callable[[pl.DataFrame, Any], Split]


def ask(build: Build, stage: Stage, rows: pl.LazyFrame, requests: Requests, collect: Collect, config: Any) -> Outcome:
    """Ask the stage's model about `rows` (which have an `id`) and write the kept and dropped tables of its folder.

    Rows for which `requests` yields nothing are passed over: they are not this stage's business.
    """
    folder = build.folder(stage)
    name = stage.model(build.recipe)
    assert name is not None
    identity = build.identities[name]
    wanted, missing, input_, needy = (folder / f"{n}.parquet" for n in ("wanted", "missing", "input", "needy"))
    try:
        write_table(rows.sort("id"), input_)
        write_wanted(input_, identity, requests, config, wanted)
        build.log.heal()
        total = build.log.missing(wanted, missing)
        receipt = Receipt()
        if total:
            # A prompt that many rows share has one row that stands for it, so it is sent once.
            one_each = pl.scan_parquet(missing).select("id", "indexes")
            write_table(pl.scan_parquet(input_).join(one_each, on="id", maintain_order="left"), needy)
            receipt = _ask_missing(build, stage, name, total, _calls(needy, identity, requests, config))
        kept, dropped = _collect(build, folder, wanted, input_, collect, config)
    finally:
        for path in (missing, input_, needy):
            path.unlink(missing_ok=True)
    return Outcome(kept + dropped, kept, receipt)


def write_wanted(rows: Path, identity: ModelIdentity, requests: Requests, config: Any, out: Path) -> None:
    """Write the keys of everything that `rows` want to know."""
    with shards(out.parent) as parts:
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


def _collect(build: Build, folder: Path, wanted: Path, rows: Path, collect: Collect, config: Any) -> tuple[int, int]:
    """Join every wanted sample with its row and its answer, and let the stage read them, a piece at a time."""
    answers = folder / "answers.parquet"
    build.log.answers(wanted, rows, answers)
    try:
        with shards(folder) as parts:
            for batch in _whole_rows(batches(answers)):
                parted = collect(batch, config)
                parts.add("kept", parted.kept)
                parts.add("dropped", parted.dropped)
            nothing = collect(pl.scan_parquet(answers).head(0).collect(), config)
            return parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
    finally:
        answers.unlink(missing_ok=True)
