"""What a body may use beside its rows, as the runner gives it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import polars as pl

from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.remote.places import copy_of
from pipelines.run.build import Build
from pipelines.run.record import Record
from pipelines.run.shards import Task
from pipelines.store.current import Tables
from pipelines.store.media import MediaStore

T = TypeVar("T")
Done = Callable[[int], None]
"""Called with how many rows more are done."""


class StepContext:
    """`schemas.step.Context`, and for whole-set and out steps the running build and its tables."""

    def __init__(self, build: Build, step: Step, tables: Tables, record: Record) -> None:
        self.build = build
        self.step = step
        self.tables = tables
        self.record = record
        self.bucket: int | None = None
        self.shared: dict[str, Any] = {}
        """What a step works out once for all buckets."""
        self.survey: Any = None
        """What the step's `survey` made of all rows."""
        self.answers: Callable[[int], pl.DataFrame] | None = None
        """The answers to the rows of a bucket, as in `schemas.step.Tables`, where the body of a step that asks streams."""

    def at(self, bucket: int) -> "StepContext":
        """The same, for who asks about the rows of one bucket."""
        found = StepContext(self.build, self.step, self.tables, self.record)
        found.bucket, found.shared = bucket, self.shared
        return found

    @property
    def pipeline(self) -> Pipeline:
        return self.tables.pipeline

    @property
    def buckets(self) -> range:
        return range(self.record.buckets)

    def beside(self, name: str, bucket: int, only: Collection[str] | None = None) -> pl.DataFrame:
        """The rows beside the step's own, of one bucket, with all columns or `only` some: for bodies that stream."""
        found = self.step.beside[name]
        which = {"dropped": found.declared.dropped, "gone": found.declared.gone, "lost": found.declared.lost}
        sources = {n: source for n, source in found.sources.items() if only is None or n in only}
        return self.tables.current(found.node, sources, bucket, self.step.number, **which)

    def each(
        self,
        function: Callable[..., T],
        work: Mapping[int, tuple[Any, ...]],
        done: Done = lambda rows: None,
        took: Callable[[int, T], None] = lambda bucket, found: None,
        *,
        near: bool = False,
    ) -> dict[int, T]:
        """`function(self, bucket, *more, done)` of each bucket of `work`, in that order, on all cores: a function of a
        module, to and from which goes only what can be pickled. `done` is called with the number of rows of each piece,
        and `took` with each bucket and what came of it, as soon as it is there. `near`: for what needs files of
        this machine's scratch, which no other sees where the workspace lies in an object store."""

        def here(bucket: int) -> T:
            return function(self, bucket, *work[bucket], done)

        found: dict[int, T] = {}
        pairs: Iterable[tuple[int, T]] = ((bucket, here(bucket)) for bucket in work)
        if self.build.reopen is not None:
            task = Task(self.name, self.record.fingerprint(self.step), function)
            alone = near and copy_of(self.build.folder) is not None
            pairs = (self.build.near if alone else self.build.shards).map(task, list(work.items()), here, done)
        for bucket, one in pairs:
            found[bucket] = one
            took(bucket, one)
        return {bucket: found[bucket] for bucket in work}

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def seed(self) -> int:
        return self.build.seed

    @property
    def media(self) -> MediaStore:
        return self.build.media

    @property
    def gold_visible(self) -> bool:
        return self.step.gold_visible

    def verifiers(self) -> Any:
        return self.build.verifiers()
