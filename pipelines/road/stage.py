"""What a stage is, when it is stale, and how its tables reach the disk.

A stage reads tables of earlier stages and writes its own into its folder; `stage.json` is written last, so its presence
means that the folder is whole. It holds the stage's fingerprint (its version, its part of the recipe, the identity of
its models), the content of each table that was written, and all that was read meanwhile: the content of tables, which
stages there are, other parts of the recipe. A stage is fresh while each of these is what it was. So a table that comes
out the same wakes nobody, and one that does not wakes every reader, whenever the build was stopped.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.recipe.recipe import Recipe
from pipelines.road.contents import are_whole, describe_tables
from pipelines.road.watched import watched
from pipelines.run.driver import Receipt
from pipelines.run.refusals import asks_again
from pipelines.store.completions import CompletionsLog
from pipelines.store.media import MediaStore
from pipelines.store.memory import Memory
from pipelines.store.row_groups import TableWriter
from pipelines.store.workspace import Workspace, read_json, replacing, store_errors, write_json, write_table
from schemas.completion import ModelIdentity, Request
from schemas.errors import BUG, StageError
from schemas.ids import content_id
from schemas.split import DROPPED, Split

LAYOUT = 2
"""Raised when the layout of stage folders changes; every stage is then computed again (no model is asked again)."""

Progress = Callable[[str, Receipt], None]
"""Called with a stage's name and its receipt while models answer."""

Requests = Callable[[pl.DataFrame, Any], Iterator[Request]]
Collect = Callable[[pl.DataFrame, Any], Split]


@dataclass(frozen=True)
class Build:
    """One recipe in one workspace: all that a stage may see."""

    recipe: Recipe
    workspace: Workspace
    progress: Progress = lambda stage, receipt: None
    replay: bool = False
    retry_errors: bool = False
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Stands for this build in the failures log, in all its stages and in all tries of them; part of no table."""

    @cached_property
    def media(self) -> MediaStore:
        return MediaStore(self.workspace.media)

    @cached_property
    def memory(self) -> Memory:
        """What its tables may take."""
        size = self.recipe.driver.memory
        return Memory() if size is None else Memory(size)

    @cached_property
    def log(self) -> CompletionsLog:
        return CompletionsLog(self.workspace.completions, self.memory)

    @cached_property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """The identity of each model of the recipe; loads none."""
        from generators.models import identify

        return {name: identify(config) for name, config in self.recipe.models.items()}

    def folder(self, stage: "Stage") -> Path:
        return self.workspace.build(self.recipe.name) / stage.name


@dataclass(frozen=True)
class Asks:
    """What a stage asks of models: the rows it asks about (they have an `id`), a request a row, and what to make of answers.

    `requests` and `collect` get the stage's section of the recipe. The answers that `collect` gets are the rows joined
    with the completions, one wanted sample a row, and `model`, the recipe's name of the model that gave it. `most` is how
    many completions of each model a sample of the data set may need (by model where they differ; None: not known before
    the rows are); `models` names the models of a section, and each is asked everything, but for rows that name one in a
    column `model`; `exact` says whether all that is wanted will be asked for, or answers may make some of it needless.
    `passed` is the cause of which a row drops that `requests` asks nothing about; `limit` the key of the recipe that
    limits the length of answers, where it is not the stage's own `sampling.max_tokens`.
    """

    rows: "Callable[[Road, Stage], pl.LazyFrame]"
    requests: Requests
    collect: Collect
    most: Callable[[Any], int | Mapping[str, int] | None] = lambda section: getattr(section, "n", 1)
    models: Callable[[Any], tuple[str, ...]] = lambda section: (section.model,)
    exact: Callable[[Any], bool] = lambda section: True
    passed: str = "not_asked"
    limit: str | None = None


@dataclass(frozen=True)
class Computes:
    """What a stage computes by models and keeps in a log of its own, for `curate plan`.

    `missing` counts what that log lacks, by model, where the tables that the stage reads are there; `most` is how
    much a sample may need, by model.
    """

    missing: "Callable[[Build, Stage, Road], dict[str, int]]"
    most: Callable[[Build], dict[str, int]]


@dataclass(frozen=True)
class Stage:
    """One step of the road.

    `unit` names the rows that it keeps or drops (samples, captions, traces, rollouts); `reads` the stages on whose tables
    it draws, or on theirs (it may read no other); `section` its part of the recipe (None: the recipe leaves the stage
    out); `run` does the work and says how many rows came in; `asks` is what it asks of models, if anything, `computes`
    what it reads off them, and by these `curate plan` knows the bill. `number` is its place on the road, given by
    `in_order`; folders bear names, so that a stage more or less moves nobody's.
    """

    name: str
    unit: str
    version: int
    reads: tuple[str, ...]
    section: Callable[[Recipe], Any]
    run: "Callable[[Build, Stage, Road], Outcome]"
    asks: Asks | None = None
    computes: Computes | None = None
    extra: Callable[[Build], Any] = lambda build: None
    number: int = 0

    def models(self, recipe: Recipe) -> tuple[str, ...]:
        """The recipe's names of the models that this stage asks."""
        section = self.section(recipe)
        return self.asks.models(section) if self.asks and section is not None else ()


def in_order(*stages: Stage) -> tuple[Stage, ...]:
    """The stages, each numbered by its place."""
    return tuple(replace(stage, number=place) for place, stage in enumerate(stages, 1))


@dataclass(frozen=True)
class Outcome:
    """What a stage reports: rows in, rows kept, what its calls of each model cost, and what a user should know of them."""

    rows_in: int
    rows_kept: int
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Road:
    """The stages that a recipe uses, in order, and the tables that they have written.

    One that is made for a `reader` (`seen_by`) notes in `reads` what that stage reads.
    """

    def __init__(self, build: Build, stages: tuple[Stage, ...], reader: Stage | None = None) -> None:
        self._all = stages
        self._stages = tuple(s for s in stages if s.section(build.recipe) is not None)
        self._by_name = {s.name: s for s in self._stages}
        self._build = build
        self._reader = reader
        self._fingerprints: dict[str, str] = {}
        self.build = build if reader is None else watched(build, self._note)
        self.reads: dict[str, Fact] = {}

    def seen_by(self, stage: Stage) -> "Road":
        """The same road, as a stage gets to see it while it runs."""
        return Road(self._build, self._all, stage)

    @property
    def stages(self) -> tuple[Stage, ...]:
        self._note("stages")
        return self._stages

    def __contains__(self, name: str) -> bool:
        self._note(f"has {name}")
        return name in self._by_name

    def stage(self, name: str) -> Stage:
        return self._by_name[name]

    def path(self, name: str, table: str = "kept") -> Path:
        """Raises StageError for a stage on which the reader does not say that it draws."""
        if self._reader is not None and name not in self.draws_on(self._reader):
            raise StageError(
                f"Stage '{self._reader.name}' reads '{name}', which its line in pipelines/road/stages.py does not lead to. "
                f"{BUG}"
            )
        self._note(f"table {name}/{table}")
        return self._build.folder(self.stage(name)) / f"{table}.parquet"

    def table(self, name: str, table: str = "kept") -> pl.LazyFrame:
        """A table of a finished stage."""
        return pl.scan_parquet(self.path(name, table))

    def last(self, unit: str, before: Stage) -> str:
        """The nearest stage before `before` that parts rows of `unit`."""
        self._note(f"last {before.name} {unit}")
        return self._last(unit, before)

    def _last(self, unit: str, before: Stage) -> str:
        return next(s.name for s in reversed(self._stages) if s.unit == unit and s.number < before.number)

    def record(self, stage: Stage) -> dict[str, Any] | None:
        """`stage.json`, or None where the stage has never finished."""
        self._note(f"counts {stage.name}")
        return self._record(stage)

    def _record(self, stage: Stage) -> dict[str, Any] | None:
        record = read_json(self._build.folder(stage) / "stage.json")
        return record if isinstance(record, dict) and record.keys() >= _RECORD else None

    def draws_on(self, stage: Stage) -> frozenset[str]:
        """The stages that `stage` reads, and those that they read, also through stages that the recipe leaves out."""
        lines = {s.name: s for s in self._all}
        found: set[str] = set()
        left = list(stage.reads)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += lines[name].reads if name in lines else ()
        return frozenset(found)

    def fingerprint(self, stage: Stage) -> str:
        """What decides the tables of `stage` beside all that it reads."""
        known = self._fingerprints.get(stage.name)
        if known is None:
            section = stage.section(self._build.recipe)
            known = content_id(
                {
                    "layout": LAYOUT,
                    "stage": stage.name,
                    "version": stage.version,
                    "section": section.model_dump(mode="json") if hasattr(section, "model_dump") else section,
                    "models": [self._build.identities[m].to_json() for m in stage.models(self._build.recipe)],
                    "extra": stage.extra(self._build),
                }
            )
            self._fingerprints[stage.name] = known
        return known

    def is_fresh(self, stage: Stage) -> bool:
        """Whether the tables of `stage` are whole, nothing is left to ask, and all that was read is what it was."""
        record = self._record(stage)
        if not record or record["fingerprint"] != self.fingerprint(stage) or record.get("unanswered"):
            return False
        if not are_whole(self._build.folder(stage), record["tables"]):
            return False
        models, asked = self._build.recipe.models, record.get("asked", {})
        refused = {name: cost["terms"] for name, cost in asked.items() if cost.get("refused")}
        if asks_again(refused, models, retry=self._build.retry_errors):
            return False
        return all(self.fact(key) == known for key, known in record["reads"].items())

    def stale(self) -> list[Stage]:
        """The stages with work to do, in order, and those that read from them, which may turn out to have none."""
        found: dict[str, Stage] = {}
        for stage in self._stages:
            if not self.is_fresh(stage) or not found.keys().isdisjoint(self._read_by(stage)):
                found[stage.name] = stage
        return list(found.values())

    def _read_by(self, stage: Stage) -> Iterator[str]:
        """The stages whose tables or counts `stage` read when it ran."""
        for key in (self._record(stage) or {}).get("reads", ()):
            kind, _, name = key.partition(" ")
            if kind in {"table", "counts"}:
                yield name.partition("/")[0]

    def fact(self, key: str) -> "Fact":
        """What there is to read under a key of `reads` at this moment; None where there is nothing."""
        kind, _, name = key.partition(" ")
        return _FACTS[kind](self, name)

    def _note(self, key: str) -> None:
        if self._reader is not None:
            self.reads[key] = self.fact(key)

    def _content(self, name: str) -> "Fact":
        stage, _, table = name.partition("/")
        record = self._record(self._by_name[stage]) if stage in self._by_name else None
        return record["tables"].get(table, {}).get("content") if record and "tables" in record else None

    def _counts(self, name: str) -> "Fact":
        record = self._record(self._by_name[name]) if name in self._by_name else None
        return content_id([record.get(fact) for fact in _COUNTS]) if record else None

    def _section(self, name: str) -> "Fact":
        return content_id(self._build.recipe.model_dump(mode="json", include={name}))

    def _nearest(self, name: str) -> "Fact":
        before, _, unit = name.partition(" ")
        return self._last(unit, self._by_name[before]) if before in self._by_name else None

    def _identity(self, name: str) -> "Fact":
        known = self._build.identities.get(name)
        return content_id(known.to_json()) if known else None


Fact = str | bool | None
"""What stands under a key of a record's `reads`."""

_RECORD = {"stage", "unit", "fingerprint", "rows_in", "kept", "dropped", "tables", "reads"}
"""What a record cannot be without; other JSON is none, and its stage has never finished."""

_COUNTS = ("unit", "rows_in", "kept", "dropped")

_FACTS: dict[str, Callable[[Road, str], Fact]] = {
    "table": Road._content,
    "counts": Road._counts,
    "stages": lambda road, name: content_id([s.name for s in road._stages]),
    "has": lambda road, name: name in road._by_name,
    "last": Road._nearest,
    "recipe": Road._section,
    "model": Road._identity,
}
"""The kinds of things that a stage may read, and how each is looked up again."""


def run_stage(road: Road, stage: Stage) -> dict[str, Any]:
    """Run one stage and write its record. Raises StageError where kept and dropped do not add up to what came in."""
    folder, seen = road.build.folder(stage), road.seen_by(stage)
    with store_errors(folder):
        (folder / "stage.json").unlink(missing_ok=True)  # first, so that a folder half cleared has no record
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    started = time.monotonic()
    outcome = stage.run(seen.build, stage, seen)
    dropped = pl.read_parquet(folder / "dropped.parquet", columns=["reason"])
    if outcome.rows_kept + dropped.height != outcome.rows_in:
        raise StageError(
            f"Stage '{stage.name}' lost rows: {outcome.rows_in} came in, {outcome.rows_kept} were kept and "
            f"{dropped.height} dropped. {BUG}"
        )
    reasons = dropped.group_by("reason").len().sort("len", "reason", descending=[True, False])
    record = {
        "stage": stage.name,
        "unit": stage.unit,
        "fingerprint": road.fingerprint(stage),
        "rows_in": outcome.rows_in,
        "kept": outcome.rows_kept,
        "dropped": dict(reasons.iter_rows()),
        "seconds": round(time.monotonic() - started, 3),
        "unanswered": sum(r.unanswered + r.again for r in outcome.receipts.values()),
        "notes": dict(outcome.notes),
        "tables": describe_tables(folder),
        "reads": dict(sorted(seen.reads.items())),
        "warnings": list(outcome.warnings),
    }
    if outcome.receipts:
        record["asked"] = {name: _cost(receipt) for name, receipt in outcome.receipts.items()}
    write_json(record, folder / "stage.json")
    return record


def _cost(receipt: Receipt) -> dict[str, Any]:
    facts = ("samples", "errors", "truncated", "retries", "prompt_tokens", "completion_tokens")
    told = {fact: getattr(receipt, fact) for fact in facts} | {"seconds": round(receipt.seconds, 3)}
    return told | {"refused": receipt.again + receipt.final, "terms": receipt.terms}


def write_split(folder: Path, kept: pl.DataFrame | pl.LazyFrame, dropped: pl.DataFrame | pl.LazyFrame) -> int:
    """Write both halves of a stage's outcome; returns the number of kept rows."""
    write_table(kept, folder / "kept.parquet")
    write_table(dropped.select(list(DROPPED)), folder / "dropped.parquet")
    return count_rows(folder / "kept.parquet")


def count_rows(path: Path) -> int:
    """Rows of a parquet file, from its footer."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


@contextmanager
def shards(folder: Path, name: str = "shards") -> Iterator["Shards"]:
    """Collect the batches of a streaming stage in one file a table, which take their places when it ends.

    One that is used while another of the same folder is open needs a `name` of its own.
    """
    scratch = folder / f".{name}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        with ExitStack() as stack:
            yield Shards(folder, scratch, stack)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Shards:
    """Batches of several tables on their way to the disk, each written once, in the order in which they come."""

    def __init__(self, folder: Path, scratch: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._scratch = scratch
        self._stack = stack
        self._writers: dict[str, tuple[TableWriter, ExitStack]] = {}

    def add(self, table: str, rows: pl.DataFrame) -> None:
        if table not in self._writers:
            own = self._stack.enter_context(ExitStack())
            writer = TableWriter(self._scratch / f"{table}.parquet", rows.schema)
            self._writers[table] = own.enter_context(writer), own
        with store_errors(self._folder):
            self._writers[table][0].add(rows)

    def finish(self, table: str, empty: pl.DataFrame) -> int:
        """Put `table` into its place; `empty` gives the columns where there was no batch. Returns the rows."""
        if table not in self._writers:
            self.add(table, empty.head(0))
        writer, own = self._writers.pop(table)
        with replacing(self._folder / f"{table}.parquet") as temporary:
            own.close()
            (self._scratch / f"{table}.parquet").replace(temporary)
        return writer.rows
