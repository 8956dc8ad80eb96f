"""One step on a frame, without a recipe or a workspace: for notebooks, and for tests of a custom step type."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from filters.verify.pool import VerifierPool
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline
from pipelines.run.asked import ANSWERS
from pipelines.run.body import narrowed, run_body
from pipelines.run.contracts import checked
from pipelines.store.current import Tables
from pipelines.store.media import MediaStore
from pipelines.store.step_tables import ROWS, part
from pipelines.store.workspace import write_table
from schemas.errors import ConfigError
from schemas.ids import content_id
from schemas.step import Apart, Gives, Out, Reads, StepConfig, StepType

_IDS = ("id", "sample_id", "parent_id")


@dataclass
class _Context:
    """What a body may use where there is no build."""

    name: str
    pipeline: Pipeline
    seed: int
    media: MediaStore
    gold_visible: bool = False
    survey: Any = None
    started: list[VerifierPool] = field(default_factory=list)

    def verifiers(self) -> VerifierPool:
        if not self.started:
            self.started.append(VerifierPool(1, 5.0))
        return self.started[0]


def run_step(
    type_: StepType[Any],
    frame: pl.DataFrame,
    section: Any = None,
    *,
    samples: pl.DataFrame | None = None,
    seed: int = 0,
    media: Path | None = None,
) -> Out:
    """What a step makes of a frame: `rows` with `id` and its columns, and `drops`.

    `section` is the step's, as a dict or as its config. Rows without an `id` get one of their content. `samples` are those
    that the rows belong to, by `parent_id`; without them the rows are samples. `media` is a folder of media by hash. Raises
    ConfigError for a section that is none, a column that the step reads and the frame lacks, and a step that asks models or
    works on tables of a build.
    """
    config = section if isinstance(section, StepConfig) else type_.config.model_validate(section or {})
    of = config.of or type_.of or "sample"
    unit = of if isinstance(of, str) else of[0]
    tables = {"samples": frame} if samples is None else {"samples": samples, "rows": frame}
    units = {"samples": "sample" if samples is not None else unit, "rows": unit}
    given = [_given(name, units[name], table) for name, table in tables.items()]
    step = compile_steps([*given, entry := Entry(config.as_ or type_.name, type_, config, "run_step")]).steps[-1]
    if step.asks:
        raise ConfigError(f"'{entry.name}' asks models; a recipe names them, and its build keeps what they say.")
    if step.beside or type_.streams:
        raise ConfigError(f"'{entry.name}' reads rows beside its own, which only a build has.")
    pipeline = Pipeline((*(compile_steps(given).steps), step), compile_steps([*given, entry]).names)
    with tempfile.TemporaryDirectory(prefix="curate-step-") as scratch:
        folder = Path(scratch)
        for name, table in tables.items():
            (folder / name).mkdir()
            write_table(_identified(table).sort("id"), part(folder / name, ROWS, 0))
        rows = Tables(pipeline, folder).current(step.node, step.sources, 0, step.number)
        context = _Context(step.name, pipeline, seed, MediaStore(media or folder / "media"))
        try:
            if type_.survey is not None:
                survey = type_.survey([rows], config, context)
                context.survey = survey[0] if isinstance(survey, Apart) else survey
            out = run_body(step, narrowed(step, rows, context), {}, pl.DataFrame(schema=ANSWERS), context)  # type: ignore[arg-type]
        finally:
            for pool in context.started:
                pool.close()
    written, drops = checked(step, rows, out)
    return out._replace(rows=written, drops=drops)


def _given(name: str, unit: str, frame: pl.DataFrame) -> Entry:
    """A step that makes the rows of a frame."""
    gives = Gives({column: dtype for column, dtype in frame.schema.items() if column not in _IDS}, makes=unit)
    type_ = StepType(
        name, "", 1, StepConfig, lambda c, k: Reads(), lambda c, k: gives, lambda t, c, x: Out(), of="sample"
    )
    return Entry(name, type_, StepConfig(), "run_step")


def _identified(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with all their ids."""
    if "id" not in frame.columns:
        ids = [content_id([place, str(row)]) for place, row in enumerate(frame.iter_rows())]
        frame = frame.with_columns(pl.Series("id", ids, dtype=pl.String))
    if "parent_id" not in frame.columns:
        frame = frame.with_columns(parent_id=pl.lit(None, pl.String))
    return frame if "sample_id" in frame.columns else frame.with_columns(sample_id=pl.coalesce("parent_id", "id"))
