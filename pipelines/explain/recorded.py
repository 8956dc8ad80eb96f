"""A build of steps as it lies on disk, read by what its record says: no recipe and no compiler is needed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.store.build_record import NAME, read_record
from pipelines.store.step_tables import part, table_beside
from pipelines.store.table_files import read_table
from pipelines.store.witness import Witness, damaged
from pipelines.store.workspace import is_trial


@dataclass(frozen=True)
class StepFacts:
    """What a build knows of one of its steps: see `pipelines.compiler.describe`."""

    number: int
    name: str
    type: str
    unit: str
    makes: bool
    of: str
    makers: frozenset[str]
    where: str | None
    gives: tuple[str, ...]
    models: tuple[str, ...]
    gold_visible: bool

    def works_on(self, unit: str, made_by: str) -> bool:
        """Whether rows that `made_by` made are among those that the step works on."""
        return self.of == unit and made_by in self.makers


@dataclass(frozen=True)
class Column:
    """A column of a unit at the end of the pipeline; the last of `steps` that wrote a row gives its value."""

    name: str
    column: str
    steps: tuple[str, ...]


class RecordedBuild:
    """The tables and records in `folder`. Steps that have not run yet have no tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self._found: dict[str, Any] = read_record(folder) or {}
        self._witness = Witness(folder)

    @cached_property
    def steps(self) -> tuple[StepFacts, ...]:
        return tuple(_facts(number, step) for number, step in enumerate(self._pipeline["steps"]))

    @cached_property
    def units(self) -> dict[str, tuple[Column, ...]]:
        """The columns of the rows of each unit, by their short names, or by addresses where those are not enough."""
        return {
            unit: tuple(Column(c["name"], c["column"], tuple(c["steps"])) for c in columns)
            for unit, columns in self._pipeline["units"].items()
        }

    @property
    def tasks(self) -> tuple[dict[str, Any], ...]:
        """The sections of the sources that are procedural tasks."""
        return tuple(self._found.get("tasks", ()))

    @property
    def _pipeline(self) -> dict[str, Any]:
        return self._found.get("pipeline") or {"steps": [], "units": {}}

    def record(self, step: str) -> dict[str, Any] | None:
        found = self._found.get("steps", {}).get(step)
        return found if isinstance(found, dict) else None

    def buckets(self, step: str) -> list[int]:
        return sorted(int(bucket) for bucket in (self.record(step) or {}).get("buckets", {}))

    def parts(self, step: str, table: str) -> list[Path]:
        """The files of a step's table, of the buckets that its record names. Raises StoreError for a damaged or lost one."""
        found = (self.path(step, table, bucket) for bucket in self.buckets(step))
        return [path for path in found if path is not None]

    def path(self, step: str, table: str, bucket: int) -> Path | None:
        """The file of a step's table in a bucket; None where it has none. Raises StoreError where it is damaged or lost."""
        path = part(self.folder / step, table, bucket)
        return self._sound(path, (self.record(step) or {}).get("buckets", {}).get(str(bucket), {}))

    def _sound(self, path: Path, written: Mapping[str, Any]) -> Path | None:
        digest = written.get("files", {}).get(path.name, (0, None))[1]
        if digest is None:
            return None
        if not self._witness.holds(path, digest):
            raise damaged(path)
        return path

    def tables(self, step: str) -> dict[str, Path]:
        """The files of the tables that a step keeps beside its rows, by name."""
        record = self.record(step) or {}
        paths = {name: table_beside(self.folder / step, name) for name in sorted(record.get("tables", {}))}
        return {name: found for name, path in paths.items() if (found := self._sound(path, record)) is not None}

    def table(self, step: str, table: str, bucket: int) -> pl.DataFrame | None:
        path = self.path(step, table, bucket)
        return None if path is None else read_table(path)


def recorded_builds(workspace: Path) -> Iterator[RecordedBuild]:
    """The builds of steps in a workspace, trials last."""
    found = [p.parent for p in (workspace / "builds").glob(f"*/{NAME}")]
    for folder in sorted(found, key=lambda p: (is_trial(p.name), p.name)):
        yield RecordedBuild(folder)


def plural(unit: str, count: int = 2) -> str:
    """The name of several rows of a unit: samples, critiques, boxes, summaries."""
    if count == 1:
        return unit
    if unit.endswith(("s", "x", "z", "ch", "sh")):
        return f"{unit}es"
    return f"{unit[:-1]}ies" if unit.endswith("y") and unit[-2:-1] not in "aeiou" else f"{unit}s"


def _facts(number: int, step: dict[str, Any]) -> StepFacts:
    of = step["of"]
    return StepFacts(
        number,
        step["name"],
        step["type"],
        step["unit"],
        step["makes"],
        of["unit"],
        frozenset(of["makers"]),
        step["where"],
        tuple(step["gives"]),
        tuple(step["models"]),
        step["gold_visible"],
    )
