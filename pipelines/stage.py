"""What a stage is, when it is stale, and how its tables reach the disk.

A stage reads tables of earlier stages and writes its own into its folder; `stage.json` is written last, so its presence
means that the folder is whole. The fingerprint in it covers everything that decides the tables: the stage's version,
its part of the recipe, the identity of its models, and the fingerprints of the stages it reads. Equal fingerprint,
nothing to do.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.completions import CompletionsLog
from pipelines.driver import Receipt
from pipelines.media import MediaStore
from pipelines.memory import Memory
from pipelines.recipe import Recipe
from pipelines.row_groups import TableWriter
from pipelines.workspace import Workspace, read_json, replacing, store_errors, write_json, write_table
from schemas.completion import ModelIdentity, Request
from schemas.errors import StageError
from schemas.ids import content_id
from schemas.split import DROPPED, Split

LAYOUT = 1
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
    def identities(self) -> dict[str, ModelIdentity]:
        """The identity of each model of the recipe; loads none."""
        from generators.models import identify

        return {name: identify(config) for name, config in self.recipe.models.items()}

    def folder(self, stage: "Stage") -> Path:
        return self.workspace.build(self.recipe.name) / stage.folder


@dataclass(frozen=True)
class Asks:
    """What a stage asks of models: the rows it asks about (they have an `id`), a request a row, and what to make of answers.

    `requests` and `collect` get the stage's section of the recipe. The answers that `collect` gets are the rows joined
    with the completions, one wanted sample a row, and `model`, the recipe's name of the model that gave it. `most` is how
    many completions of each model a sample of the data set may need (by model where they differ; None: not known before
    the rows are); `models` names the models of a section, and each is asked everything, but for rows that name one in a
    column `model`; `exact` says whether all that is wanted will be asked for, or answers may make some of it needless.
    """

    rows: "Callable[[Road, Stage], pl.LazyFrame]"
    requests: Requests
    collect: Collect
    most: Callable[[Any], int | Mapping[str, int] | None] = lambda section: getattr(section, "n", 1)
    models: Callable[[Any], tuple[str, ...]] = lambda section: (section.model,)
    exact: Callable[[Any], bool] = lambda section: True


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

    `unit` names the rows that it keeps or drops (samples, captions, traces, rollouts); `reads` the stages whose tables
    it reads; `section` its part of the recipe (None: the recipe leaves the stage out); `run` does the work and says how
    many rows came in; `asks` is what it asks of models, if anything, `computes` what it reads off them, and by these
    `curate plan` knows the bill. `number` is its place on the road, given by `in_order`.
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

    @property
    def folder(self) -> str:
        return f"{self.number:02d}_{self.name}"

    def models(self, recipe: Recipe) -> tuple[str, ...]:
        """The recipe's names of the models that this stage asks."""
        section = self.section(recipe)
        return self.asks.models(section) if self.asks and section is not None else ()


def in_order(*stages: Stage) -> tuple[Stage, ...]:
    """The stages, each numbered by its place."""
    return tuple(replace(stage, number=place) for place, stage in enumerate(stages, 1))


@dataclass(frozen=True)
class Outcome:
    """What a stage reports: rows in, rows kept, and what its calls of each model cost."""

    rows_in: int
    rows_kept: int
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Road:
    """The stages that a recipe uses, in order, and the tables that they have written."""

    def __init__(self, build: Build, stages: tuple[Stage, ...]) -> None:
        self.build = build
        self.stages = tuple(s for s in stages if s.section(build.recipe) is not None)
        self._fingerprints: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return any(s.name == name for s in self.stages)

    def stage(self, name: str) -> Stage:
        return next(s for s in self.stages if s.name == name)

    def path(self, name: str, table: str = "kept") -> Path:
        return self.build.folder(self.stage(name)) / f"{table}.parquet"

    def table(self, name: str, table: str = "kept") -> pl.LazyFrame:
        """A table of a finished stage."""
        return pl.scan_parquet(self.path(name, table))

    def last(self, unit: str, before: Stage) -> str:
        """The nearest stage before `before` that parts rows of `unit`."""
        return next(s.name for s in reversed(self.stages) if s.unit == unit and s.number < before.number)

    def fingerprint(self, stage: Stage) -> str:
        known = self._fingerprints.get(stage.name)
        if known is None:
            section = stage.section(self.build.recipe)
            known = content_id(
                {
                    "layout": LAYOUT,
                    "stage": stage.name,
                    "version": stage.version,
                    "section": section.model_dump(mode="json") if hasattr(section, "model_dump") else section,
                    "seed": self.build.recipe.seed,
                    "models": [self.build.identities[m].to_json() for m in stage.models(self.build.recipe)],
                    "extra": stage.extra(self.build),
                    "reads": [self.fingerprint(self.stage(name)) for name in stage.reads if name in self],
                }
            )
            self._fingerprints[stage.name] = known
        return known

    def record(self, stage: Stage) -> dict[str, Any] | None:
        """`stage.json`, or None where the stage has never finished."""
        return read_json(self.build.folder(stage) / "stage.json")  # type: ignore[no-any-return]

    def is_fresh(self, stage: Stage) -> bool:
        record = self.record(stage)
        return bool(record and record["fingerprint"] == self.fingerprint(stage) and not record.get("unanswered"))

    def stale(self) -> list[Stage]:
        """The stages with work to do, in order: each stale one and all that read from it."""
        return [s for s in self.stages if not self.is_fresh(s)]


def run_stage(road: Road, stage: Stage) -> dict[str, Any]:
    """Run one stage and write its record. Raises StageError where kept and dropped do not add up to what came in."""
    folder = road.build.folder(stage)
    (folder / "stage.json").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    outcome = stage.run(road.build, stage, road)
    dropped = pl.read_parquet(folder / "dropped.parquet", columns=["reason"])
    if outcome.rows_kept + dropped.height != outcome.rows_in:
        raise StageError(
            f"Stage '{stage.name}' lost rows: {outcome.rows_in} came in, {outcome.rows_kept} were kept and "
            f"{dropped.height} dropped. This is a defect of the stage; please report it."
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
        "unanswered": sum(r.unanswered for r in outcome.receipts.values()),
        "notes": dict(outcome.notes),
    }
    if outcome.receipts:
        record["asked"] = {name: _cost(receipt) for name, receipt in outcome.receipts.items()}
    write_json(record, folder / "stage.json")
    return record


def _cost(receipt: Receipt) -> dict[str, Any]:
    facts = ("samples", "errors", "truncated", "retries", "prompt_tokens", "completion_tokens")
    return {fact: getattr(receipt, fact) for fact in facts} | {"seconds": round(receipt.seconds, 3)}


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
        self.add(table, empty.head(0)) if table not in self._writers else None
        writer, own = self._writers.pop(table)
        with replacing(self._folder / f"{table}.parquet") as temporary:
            own.close()
            (self._scratch / f"{table}.parquet").replace(temporary)
        return writer.rows
