"""The rollouts of a release, graded again on all cores: a few row groups at a time."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from filters.difficulty import DifficultyConfig
from pipelines.release.regrade import Grade, Piece, grade_piece
from pipelines.run.context import StepContext
from pipelines.store.table_files import read_table
from pipelines.store.workspace import write_table

TOGETHER = 4
"""Row groups that a process is given at once: about a second of grading."""


def regraded_by(context: StepContext, room: Path) -> Grade:
    """Grades pieces in the processes of the build. What they need beside the release is written into `room`."""

    def grade(
        pieces: Sequence[Piece], known: pl.DataFrame, config: DifficultyConfig, done: Callable[[int], None]
    ) -> list[Mapping[str, int]]:
        path, settings = room / "known.parquet", config.model_dump_json()
        write_table(known, path)
        named = [(str(file), group) for file, group in pieces]
        several = [named[at : at + TOGETHER] for at in range(0, len(named), TOGETHER)]
        work = {number: (some, str(path), settings) for number, some in enumerate(several)}
        return [counts for found in context.each(grade_pieces, work, done, near=True).values() for counts in found]

    return grade


def grade_pieces(
    context: StepContext,
    number: int,
    pieces: list[tuple[str, int]],
    known: str,
    settings: str,
    done: Callable[[int], None],
) -> list[dict[str, int]]:
    """What `grade_piece` gives for each of some pieces."""
    rows, config = read_table(Path(known)), DifficultyConfig.model_validate_json(settings)
    return [grade_piece(Path(file), group, rows, config, done) for file, group in pieces]
