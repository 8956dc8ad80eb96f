"""Procedural tasks as a source, in the form of any dataset: rows of known truth, under the names of its columns."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field, JsonValue, field_validator

from pipelines.sources.section import SourceSection
from pipelines.store.read_only_sql import only_select
from schemas.errors import ConfigError
from schemas.ids import hash_files
from schemas.section import Section

TaskName = Literal[
    "choice", "number", "text", "yes_no", "mixed", "open", "boxes", "points", "multi_image", "sums", "unanswerable"
]
Fault = Literal[
    "wrong_gold",
    "duplicates",
    "restated",
    "no_image",
    "broken_image",
    "no_answer",
    "no_question",
    "proof",
    "link",
    "foreign",
]
Levels = Annotated[tuple[Annotated[int, Field(ge=1, le=5)], ...], Field(min_length=1)]

PLAIN = """SELECT id AS "row", question, coalesce(letter, answer) AS answer, kind, options, images,
    * EXCLUDE (id, question, answer, kind, options, image, images) FROM task"""
"""`raw` where it is not given: what ingest reads under the names that it reads, and all other columns under their own."""


class TaskSection(Section):
    """How many rows of a task there are, in which form, and what is wrong with some of them."""

    n: int = Field(default=12, ge=1, le=10_000, description="rows, without the duplicates")
    raw: str | None = Field(
        default=None, description="SELECT … FROM task that gives the columns of a dataset; unset: all, under our names"
    )
    spoiled: dict[Fault, Annotated[int, Field(ge=1)]] = Field(
        default={}, description="rows with faults, such as {wrong_gold: 2, duplicates: 1}"
    )
    levels: Levels = Field(default=(1,), description="how hard the images are, 1 to 5, in turn")
    size: int = Field(default=64, ge=64, le=1024, description="pixels of a side of an image")

    @field_validator("raw")
    @classmethod
    def _reads_the_task(cls, raw: str | None) -> str | None:
        if raw is not None:
            try:
                only_select(raw, "it", ["task"])
            except ConfigError as error:
                raise ValueError(str(error).removesuffix(".")) from None
        return raw


class TasksSource(TaskSection, SourceSection):
    """Rows of a procedural task. `raw` makes of the table `task` what the dataset published; `schema`, `select` and the
    rest read that as they read any other. The columns of `task` are those of `generators.tasks.rows.TASK`."""

    type: Literal["tasks"] = "tasks"
    task: TaskName = Field(description="what is asked: choice, number, text, yes_no, …")
    name: str = Field(default="tasks", pattern=r"^\w[\w./-]*$", description="name of the dataset; part of rows' ids")
    seed: int = Field(default=0, description="another seed, or another name, other rows")
    license: str | None = "CC0-1.0"

    def attach(self, connection: Any, scratch: Path) -> None:
        import duckdb

        connection.register("task", self.rows.to_arrow())
        try:
            connection.execute(f"CREATE VIEW raw AS {self.raw or PLAIN}")
        except duckdb.Error as error:
            words = str(error).strip().split("\n")[0].rstrip(".")
            raise ConfigError(f"Source '{self.name}': 'raw' does not work: {words}.") from error

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The table `task`, whole. Raises ConfigError where there are more faults than rows."""
        from generators.tasks.catalogue import task_rows
        from generators.tasks.rows import TASK, Drawing

        drawing = Drawing(self.size, self.levels)
        try:
            rows = task_rows(
                self.task,
                self.n,
                f"{self.seed}:{self.name}",
                self.spoiled,
                drawing,
            )
            return pl.DataFrame(list(rows), schema=TASK)
        except ValueError as error:
            raise ConfigError(f"Source '{self.name}': spoiled: {error}.") from None

    def stamp(self) -> JsonValue:
        from generators import scenes, tasks

        files = sorted(Path(tasks.__path__[0]).glob("*.py"))
        return [hash_files([*files, Path(scenes.__file__)]), version("pillow")]

    def is_small(self) -> bool:
        return True


def truth(sources: Iterable[TasksSource]) -> pl.DataFrame:
    """All that is known of the rows of some sources: the columns of `task` without the images, and beside them `dataset`,
    the place as `row`, and the `sha256` of the first image, by which samples have them too."""
    return pl.concat([_known(source) for source in sources])


def _known(source: TasksSource) -> pl.DataFrame:
    hashes = [None if data is None else hashlib.sha256(data).hexdigest() for data in source.rows["image"]]
    return source.rows.drop("image", "images").with_columns(
        dataset=pl.lit(source.name),
        row=pl.int_range(pl.len()).cast(pl.String),
        sha256=pl.Series(hashes, dtype=pl.String),
    )
