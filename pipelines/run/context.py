"""What a body may use beside its rows, as the runner gives it."""

from typing import Any

import polars as pl

from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.run.build import Build
from pipelines.run.record import Record
from pipelines.store.current import Tables
from pipelines.store.media import MediaStore


class StepContext:
    """`schemas.step.Context`, and for whole-set and out steps the running build and its tables."""

    def __init__(self, build: Build, step: Step, tables: Tables, record: Record) -> None:
        self.build = build
        self.step = step
        self.tables = tables
        self.record = record

    @property
    def pipeline(self) -> Pipeline:
        return self.tables.pipeline

    @property
    def buckets(self) -> range:
        return range(self.record.buckets)

    def beside(self, name: str, bucket: int) -> pl.DataFrame:
        """The rows beside the step's own, of one bucket: for bodies that stream."""
        found = self.step.beside[name]
        which = {"dropped": found.declared.dropped, "gone": found.declared.gone}
        return self.tables.current(found.node, found.sources, bucket, self.step.number, **which)

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
