"""Run the body of a step on tables that hold the columns it declares, and no others.

A step that reads a column it does not declare would be computed again too seldom, so it fails, in every build.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import polars as pl
from polars.exceptions import ColumnNotFoundError

from pipelines.compiler.pipeline import Step
from pipelines.run.context import StepContext
from schemas.errors import StepError
from schemas.step import Out, Tables

PIECE = 4096
PIECE_BYTES = 32 << 20
"""How many rows a body of scope `row` gets at a time, and about how many bytes: of long texts it holds copies."""

_QUOTED = re.compile(r'"([^"]+)"')


def run_body(
    step: Step,
    rows: pl.DataFrame,
    beside: Mapping[str, pl.DataFrame],
    answers: pl.DataFrame,
    context: StepContext,
    done: Callable[[int], None] = lambda rows: None,
) -> Out:
    """What the body makes of rows: of a piece at a time where it may. `done` is called with the number of rows of each.

    Raises StepError as `declared` does.
    """
    whole = step.type.scope(step.config) != "row" or bool(beside) or step.asks
    pieces = [rows] if whole else list(rows.iter_slices(_fit(rows))) or [rows]
    with declared(step, context, rows.columns):
        outs = []
        for piece in pieces:
            outs.append(step.type.body(Tables(piece, beside, answers), step.config, context))
            done(piece.height)
    return outs[0] if len(outs) == 1 else _together(outs)


def _fit(rows: pl.DataFrame) -> int:
    """How many of the rows make a piece."""
    return min(PIECE, max(1, PIECE_BYTES * rows.height // max(1, int(rows.estimated_size()))))


def narrowed(step: Step, rows: pl.DataFrame, context: StepContext) -> pl.DataFrame:
    """What a body over all rows needs of the rows of a bucket. Raises StepError as `declared` does."""
    if step.type.narrow is None:
        return rows
    with declared(step, context, rows.columns):
        return step.type.narrow(rows, step.config)


@contextmanager
def declared(step: Step, context: StepContext, columns: Collection[str]) -> Iterator[None]:
    """Run code of a step that gets rows with `columns`.

    Raises StepError, which names the step and the column, where it looks for one that it did not declare. What else it
    looks for in vain is an error of its own and stays what it is.
    """
    try:
        yield
    except ColumnNotFoundError as error:
        found = _QUOTED.search(str(error))
        if found is None or found[1] in columns:
            raise
        raise _undeclared(step, found[1]) from error
    except KeyError as error:
        name = error.args[0] if error.args else None
        if name in columns or name not in {column.name for column in context.pipeline.names.facts}:
            raise
        raise _undeclared(step, name) from error


def _undeclared(step: Step, name: str) -> StepError:
    return StepError(
        f"Step '{step.name}' reads a column '{name}' that it does not declare. Add it to the `reads` of the step type "
        f"'{step.type.name}'."
    )


def _together(outs: Iterable[Out]) -> Out:
    """The outcome of pieces, as that of all their rows."""
    found = list(outs)
    rows = None if found[0].rows is None else pl.concat([out.rows for out in found if out.rows is not None])
    notes: Counter[str] = Counter()
    for out in found:
        notes.update(out.notes)
    names = {name for out in found for name in out.tables}
    tables = {name: pl.concat([out.tables[name] for out in found if name in out.tables]) for name in names}
    return Out(rows, pl.concat([out.drops for out in found]), tables, dict(notes))
