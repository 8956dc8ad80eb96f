"""The signals log: what a model's insides say about a text, computed once, by model identity and content.

A sibling of the completions log (`log/signals/<signal>/<model>/`): append-only parts, found missing by an anti-join. What
is stored is raw (a sum of logs a token, a log-probability a token), so a changed threshold, sigma or reduction computes
nothing again. Parts are written every `FLUSH_SECONDS` and when the run is stopped.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from pipelines.run.receipt import Receipt
from pipelines.store.keyed_log import KeyedLog
from pipelines.store.row_groups import TableWriter, batches, even
from pipelines.store.scratch import scratch
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import Workspace, write_table
from schemas.completion import ModelIdentity
from schemas.errors import StepError
from schemas.ids import content_id

if TYPE_CHECKING:
    from generators.signals.forced import Forced, ForcedModel

KEY_VERSION = 1
"""Raised only when the meaning of a signal's stored values changes; every one is then computed again."""

CHUNK = 256
"""Texts handed to the model at once; it sorts them by length into forward passes."""

KEYS = 1 << 20
"""Keys that are looked for in the log at once: it reads all of its own each time, 16 bytes each."""

FLUSH_ROWS = 4096
FLUSH_SECONDS = 30.0

WANTED = pl.Schema({"id": pl.String, "index": pl.Int32, "variant": pl.String, "key": pl.String})
"""What a step wants to know: a signal of one text of a sample. `variant` names what the model was shown."""


class Named(Protocol):
    """The recipe, as far as signals see it."""

    @property
    def name(self) -> str: ...


class Build(Protocol):
    """What a build lends to those who read signals."""

    @property
    def recipe(self) -> Named: ...
    @property
    def workspace(self) -> Workspace: ...
    @property
    def identities(self) -> Mapping[str, ModelIdentity]: ...
    @property
    def replay(self) -> bool: ...
    @property
    def progress(self) -> Callable[[str, Receipt], None]: ...


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a sample, as `variant` shows it to the model."""

    id: str
    index: int
    variant: str
    forced: "Forced"


@dataclass(frozen=True)
class Signal:
    """One signal over rows (`id, index, …`).

    `params` are what changes the values, `stored` their columns; `texts` gives what to read for a batch of rows; `measure`
    gives a row of values for each text; `reduce` makes a few numbers a `key` of those values.
    """

    name: str
    params: Mapping[str, Any]
    stored: pl.Schema
    texts: Callable[[pl.DataFrame], Iterator[Text]]
    measure: "Callable[[ForcedModel, Sequence[Forced]], pl.DataFrame]"
    reduce: Callable[[pl.DataFrame], pl.DataFrame]


def signal_key(signal: Signal, forced: "Forced") -> str:
    """Everything that decides the values, but for the model, which has a folder of its own; no row id."""
    return content_id(
        {
            "v": KEY_VERSION,
            "signal": signal.name,
            "params": dict(signal.params),
            "messages": [m.to_json() for m in forced.request.messages],
            "prefix": forced.request.prefix,
            "text": forced.text,
            "patches": forced.patches.model_dump(mode="json") if forced.patches else None,
        }
    )


def count_missing(build: Build, model: str, signal: Signal, rows: Path, scratch: Path) -> int:
    """How many values the log lacks for `rows`, a parquet table. Loads no model."""
    wanted = scratch / "wanted.parquet"
    _write_wanted(signal, rows, wanted)
    return _write_missing(_log(build, model, signal), wanted, scratch / "missing.parquet")


def read_signal(
    build: Build, step: str, model: str, signal: Signal, rows: Path, out: Path, engine: "Callable[[], ForcedModel]"
) -> Receipt:
    """Compute what the log lacks, then write `id, index, variant`, `error` and the reduced values of all `rows` to `out`.

    `engine` is called only if something is missing. Raises StepError where a replay lacks values.
    """
    log, receipt = _log(build, model, signal), Receipt()
    wanted, missing, values = (out.with_name(f"{out.stem}-{name}.parquet") for name in ("wanted", "missing", "values"))
    try:
        _write_wanted(signal, rows, wanted)
        receipt.total = _write_missing(log, wanted, missing)
        if receipt.total and build.replay:
            raise StepError(
                f"Replay: {receipt.total} values of signal '{signal.name}' are not in the log, and a replay computes none. "
                f"Run `curate build {build.recipe.name}` without --replay to compute them."
            )
        if receipt.total:
            todo = _texts(signal, rows, missing)
            _compute(signal, log, todo, engine(), receipt, lambda: build.progress(step, receipt))
        _reduced(signal, log, wanted, values)
        if not scan_table(wanted).join(scan_table(values), on="key", how="anti").head(1).collect().is_empty():
            raise log.files.lacking()
        found = scan_table(wanted).join(scan_table(values), on="key", how="left")
        write_table(found.drop("key").sort("id", "index", "variant"), out)
        return receipt
    finally:
        for path in (wanted, missing, values):
            path.unlink(missing_ok=True)


def _log(build: Build, model: str, signal: Signal) -> KeyedLog:
    own = content_id(build.identities[model].to_json())
    columns = {"key": pl.String(), **signal.stored}
    return KeyedLog(
        build.workspace.signals / signal.name / own, f"signals/{signal.name}/{own}", lambda found: found == columns
    )


def _write_wanted(signal: Signal, rows: Path, out: Path) -> None:
    with TableWriter(out, WANTED) as table:
        for batch in batches(rows):
            found = [(t.id, t.index, t.variant, signal_key(signal, t.forced)) for t in signal.texts(batch)]
            table.add(pl.DataFrame(found, schema=WANTED, orient="row"))


def _write_missing(log: KeyedLog, wanted: Path, out: Path) -> int:
    """Write the rows of `wanted` whose values the log lacks, and return how many there are.

    Texts that many rows share (a one-word answer, many times) have one row that stands for them.
    """
    with scratch(out.parent) as folder, TableWriter(out, WANTED) as table:
        write_table(scan_table(wanted).unique("key", keep="first", maintain_order=True), folder / "first.parquet")
        for rows in even(batches(folder / "first.parquet"), KEYS):
            table.add(rows.filter(pl.col("key").is_in(log.missing(rows["key"]).implode())))
    return table.rows


def _texts(signal: Signal, rows: Path, missing: Path) -> Iterator[tuple[str, "Forced"]]:
    """The missing texts with their keys, rendered again; one batch of rows is in memory."""
    for batch in batches(rows):
        here = scan_table(missing).join(batch.lazy().select("id", "index").unique(), on=["id", "index"]).collect()
        keys = {(id_, index, variant): key for id_, index, variant, key in here.select(list(WANTED)).iter_rows()}
        if keys:
            for text in signal.texts(batch.join(here.select("id", "index").unique(), on=["id", "index"], how="semi")):
                key = keys.get((text.id, text.index, text.variant))
                if key is not None:
                    yield key, text.forced


def _compute(
    signal: Signal,
    log: KeyedLog,
    todo: "Iterator[tuple[str, Forced]]",
    engine: "ForcedModel",
    receipt: Receipt,
    report: Callable[[], None],
) -> None:
    """Compute in chunks; what is done is written even where the run is stopped."""
    started = flushed = time.monotonic()
    held: list[pl.DataFrame] = []
    try:
        for chunk in _chunks(todo):
            found = signal.measure(engine, [forced for _, forced in chunk])
            held.append(found.select(pl.Series("key", [key for key, _ in chunk]), *signal.stored))
            receipt.samples += len(chunk)
            receipt.errors += found.height - found["error"].null_count()
            receipt.seconds = time.monotonic() - started
            report()
            if sum(t.height for t in held) >= FLUSH_ROWS or time.monotonic() - flushed > FLUSH_SECONDS:
                log.append(pl.concat(held))
                held, flushed = [], time.monotonic()
    finally:
        if held:
            log.append(pl.concat(held))


def _chunks(todo: "Iterator[tuple[str, Forced]]") -> "Iterator[list[tuple[str, Forced]]]":
    chunk: list[tuple[str, Any]] = []
    for item in todo:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _reduced(signal: Signal, log: KeyedLog, wanted: Path, out: Path) -> None:
    """`key, error` and the reduced values of what is wanted, once each; a piece at a time is in memory."""
    nothing = pl.DataFrame(schema={"key": pl.String, **signal.stored})
    every = out.with_name(f"{out.stem}-all.parquet")
    try:
        with TableWriter(every, _with_errors(signal, nothing).schema) as table:
            for some in even((rows.select("key") for rows in batches(wanted)), KEYS):
                for found in log.rows(some["key"]):
                    table.add(_with_errors(signal, found))
        # Two processes may have computed the same; the part that sorts first counts, so that a replay gives the same.
        write_table(scan_table(every).unique("key", keep="first", maintain_order=True), out)
    finally:
        every.unlink(missing_ok=True)


def _with_errors(signal: Signal, found: pl.DataFrame) -> pl.DataFrame:
    return found.select("key", "error").join(signal.reduce(found), on="key", how="left", maintain_order="left")
