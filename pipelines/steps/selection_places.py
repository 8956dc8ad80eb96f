"""Among which samples `select` chooses, and what it names that nothing before it gives: a side, a column."""

from typing import Self, cast

from pydantic import Field, model_validator

from filters.checks.measure import FLAGS
from filters.select.comparison import COLUMNS as COMPARED
from filters.select.select import Selection, columns_read
from pipelines.compiler.compile import Before
from pipelines.steps.selection_columns import Measured
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
    def _flags(self) -> Self:
        known = sorted({flag for flags in FLAGS.values() for flag in flags})
        for flag in self.without if "flags" not in self.columns else ():
            if flag not in known:
                raise ValueError(f"'{flag}' is no flag of a check; there are {', '.join(known)}.{nearest(flag, known)}")
        return self


def check_places(config: Candidates, known: Known) -> None:
    """Raise ValueError for a side or a column by which a selection would leave out nothing, or everything."""
    _check_sides(config, cast(Before, known))
    _check_columns(config)


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
