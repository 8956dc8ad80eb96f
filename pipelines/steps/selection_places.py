"""Among which samples `select` chooses, and what it names that nothing before it gives: a side, a column."""

from collections.abc import Mapping
from typing import Self, cast

import polars as pl
from pydantic import Field, model_validator

from filters.checks.measure import FLAGS
from filters.select.comparison import COLUMNS as COMPARED
from filters.select.rules.catalogue import rules_of
from filters.select.rules.column import ColumnConfig
from filters.select.rules.rule import MEASURES
from filters.select.rules.students import StudentsConfig
from filters.select.select import Selection, columns_read
from pipelines.compiler.compile import Before
from pipelines.steps.selection_columns import PAIRS, Measured, inputs
from pipelines.steps.split import SHARES, SplitConfig
from schemas.errors import nearest
from schemas.section import is_changed
from schemas.step import Known


class Candidates(Selection, Measured):
    """A selection, by whose numbers, and among which samples."""

    without: tuple[str, ...] = Field(
        default=(),
        description="flags of checks (blind, label_suspect, …): a sample with one of them (in `flags`) is no candidate",
    )
    sides: tuple[str, ...] = Field(
        default=("rl",),
        min_length=1,
        description="the sides to select in, where a step splits; others pass as they are",
    )

    @model_validator(mode="after")
    def _students(self) -> Self:
        """Every student that a rule judges by has a step that measured it, and every step that is named is read."""
        read = columns_read(self)
        if isinstance(self.rule, StudentsConfig):
            for name in self.rule.rules:
                if name not in self.students and f"k_{name}" not in self.columns and f"k_{name}" in read:
                    raise ValueError(
                        f"the rule judges the student '{name}', so say which step measured it: k: {{{name}: STEP, …}}"
                    )
        used = {self.students[found[0]] for name in read if (found := self.student_of(name)) is not None}
        bare = {*MEASURES, "band"} & {*read}
        for place, (name, step) in enumerate(self.students.items()):
            if step not in used and not (place == 0 and bare):
                raise ValueError(f"k: nothing reads the numbers of '{name}', so naming its step would do nothing")
        return self

    @model_validator(mode="after")
    def _flags(self) -> Self:
        known = sorted({flag for flags in FLAGS.values() for flag in flags})
        for flag in self.without if "flags" not in self.columns else ():
            if flag not in known:
                raise ValueError(f"'{flag}' is no flag of a check; there are {', '.join(known)}.{nearest(flag, known)}")
        return self


def check_places(config: Candidates, of: str | tuple[str, ...], known: Known) -> None:
    """Raise ValueError for a side or a column by which a selection would leave out nothing, or everything."""
    _check_sides(config, cast(Before, known))
    _check_columns(config)
    _check_types(config, known.types(of))


def of_origins(config: Candidates, of: str | tuple[str, ...], before: Before) -> frozenset[str]:
    """The places of numbers that were measured on samples of which the candidates were made, and not on these.

    Raises ValueError where a rule, a quota or the order goes by one: another question was asked.
    """
    of_students = (f"{name}_{student}" for student in config.students for name in MEASURES)
    numbers = {*MEASURES, *of_students, *(name for pair in PAIRS.values() for name in pair)} - config.columns.keys()
    found = {name: place for name in numbers if before.of_origin(of, place := config.address(name))}
    read = {column for name in columns_read(config) for column in inputs(name, config)}
    for name in sorted(found.keys() & read):
        raise ValueError(
            f"it goes by `{name}`, which was measured on the samples that these were made from; measure these, or say that "
            f"you mean it with `columns: {{{name}: {found[name] if '.' in found[name] else 'STEP.' + found[name]}}}`"
        )
    return frozenset(found.values())


def _check_types(config: Candidates, types: Mapping[str, pl.DataType]) -> None:
    readable, read = set(types), columns_read(config)
    if "confirmed" in read and config.address("confirmed") not in readable:
        raise ValueError(
            "hard_only keeps rows whose gold a teacher confirms, and reads that as `confirmed`, which no step before it "
            "gives: count right traces (`tally`) or compare answers (`agree`; columns: {confirmed: agree.agreed}); "
            "without a teacher, take the rule base_fails"
        )
    for rule in rules_of(config.rule):
        place = config.address(rule.by) if isinstance(rule, ColumnConfig) else None
        if place in readable and not (types[place].is_numeric() or types[place] == pl.Boolean()):
            raise ValueError(f"rule.by: `{place}` is {types[place]}, and rows are ranked by a number")


def _check_sides(config: Candidates, before: Before) -> None:
    dealt = next((step for step in before.steps if isinstance(step.config, SplitConfig)), None)
    if dealt is None:
        if is_changed(config, "sides") and not any("side" in step.gives for step in before.steps):
            raise ValueError("sides: no step before it deals samples to sides, so it would do nothing; take it out")
        return
    known = dealt.config.sides or {side: share for side in SHARES if (share := getattr(dealt.config.shares, side))}
    for side in config.sides:
        if side not in known:
            raise ValueError(
                f"sides: '{dealt.name}' deals no samples to '{side}'; it has {', '.join(known)}.{nearest(side, known)}"
            )


def _check_columns(config: Candidates) -> None:
    read = columns_read(config)
    useful = {*read, *COMPARED, *(("flags",) if config.without else ())}
    for name in config.columns:
        if name not in useful:
            of = ", ".join(read) or "none"
            raise ValueError(
                f"columns: neither rule, quotas nor order read '{name}', so it would do nothing; they read {of}"
            )
