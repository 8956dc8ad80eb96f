"""What a selection reads of its candidates: whose numbers its rule goes by, and the columns that others follow from."""

from collections.abc import Collection
from typing import Annotated

import polars as pl
from pydantic import Field, StringConstraints, field_validator

from filters.select.clusters import CLUSTER
from filters.select.row_columns import ENOUGH, OF_ROW
from filters.select.rules.rule import MEASURES, OF_STUDENT
from schemas.section import Section
from schemas.step import Read, read

PAIRS = {"k": ("k", "n"), "blind": ("k_text", "n_text"), "guesses": ("k_guess", "n_guess")}
"""Counts and how many there were, as rules call them, by the key that names the step that gives them as `k` and `n`."""

Student = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Measured(Section):
    """Whose numbers a rule reads."""

    k: str | dict[Student, str] | None = Field(
        default=None,
        description="the step that measured difficulty; null: the only one; of several students one each by name, whose "
        "numbers rules read as `k_<name>`, `n_<name>`, …; what has no name is of the first",
    )
    blind: str | None = Field(default=None, description="the step that counted right answers without the media")
    guesses: str | None = Field(default=None, description="the step that counted right answers without reasoning")
    columns: dict[str, str] = Field(
        default_factory=dict, description="other columns that a rule, a quota or an order reads, by its name for them"
    )

    @field_validator("k")
    @classmethod
    def _apart(cls, k: str | dict[str, str] | None) -> str | dict[str, str] | None:
        if isinstance(k, dict) and not k:
            raise ValueError("name a student and the step that measured its difficulty: {small: STEP, large: STEP}")
        for student in k if isinstance(k, dict) else ():
            if any(f"{name}_{student}" in MEASURES for name in MEASURES):
                raise ValueError(f"no student is called '{student}': `tokens_{student}` is a number of every student")
        return k

    @property
    def students(self) -> dict[str, str]:
        """The steps that measured, by the names of the students; none where they have no names."""
        return self.k if isinstance(self.k, dict) else {}

    @property
    def measured_by(self) -> str | None:
        """The step whose numbers have no name of a student; None: the only one."""
        return next(iter(self.k.values())) if isinstance(self.k, dict) else self.k

    def student_of(self, name: str) -> tuple[str, str] | None:
        """The student and its number that `name` stands for: `k_small` is (small, k)."""
        found = ((student, base) for student in self.students for base in OF_STUDENT if name == f"{base}_{student}")
        return next(found, None)

    def address(self, name: str) -> str:
        """The name, as recipes write it, of the column that a rule calls `name`."""
        if name in self.columns:
            return self.columns[name]
        if (found := self.student_of(name)) is not None:
            return f"{self.students[found[0]]}.{found[1]}"
        for key, (k, n) in PAIRS.items():
            step = self.measured_by if key == "k" else getattr(self, key)
            if step is not None and name in (k, n):
                return f"{step}.{'k' if name == k else 'n'}"
        return f"{self.measured_by}.{name}" if self.measured_by is not None and name in MEASURES else name

    def enough(self, name: str) -> str | None:
        """Where the step that gives a number says whether enough rollouts counted; None for what no `difficulty` gives."""
        *step, column = self.address(name).split(".")
        return ".".join((*step, ENOUGH)) if column in MEASURES else None


def reads(
    names: tuple[str, ...], measured: Measured, optional: tuple[str, ...], readable: Collection[str]
) -> dict[str, Read]:
    """The reads of the columns `names`, and of those of `optional` that are `readable`: asking for one that may not be read
    any more would be refused."""
    wanted = {column for name in names for column in inputs(name, measured)}
    beside = {column for name in optional for column in inputs(name, measured) if measured.address(column) in readable}
    own = {f"of_{OF_ROW[name]}" for name in (*names, *optional) if name in OF_ROW}
    guards = {f"{ENOUGH}:{name}": place for name in wanted | beside if (place := measured.enough(name)) in readable}
    return (
        {column: read(measured.address(column)) for column in sorted(wanted | beside)}
        | {column: read(column.removeprefix("of_")) for column in sorted(own)}
        | {guard: read(place, pl.Boolean()) for guard, place in sorted(guards.items()) if place is not None}
    )


def inputs(name: str, measured: Measured) -> tuple[str, ...]:
    """The columns that a column which a rule, a quota or an order names is made of."""
    student, base = measured.student_of(name) or (None, name)
    if base == "band":
        return ("k", "n") if student is None else (f"k_{student}", f"n_{student}")
    return () if name in OF_ROW or name == CLUSTER else (name,)
