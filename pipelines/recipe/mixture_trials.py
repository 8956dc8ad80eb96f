"""Trial trainings in a file of the user's, and the mixture of sources that they speak for."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from filters.select.mixture import Mixture, MixtureConfig, best_mixture
from pipelines.store.table_files import read_table
from schemas.errors import ConfigError

READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": partial(pl.read_csv, glob=False),
    ".jsonl": pl.read_ndjson,
    ".parquet": read_table,
}
"""File types of trials, by suffix."""

TOLERANCE = 0.011
"""Thirds written with two digits sum to one within this; weights are scaled to one all the same."""


def propose(
    path: Path, sources: Sequence[str], config: MixtureConfig, seed: int, *, counts: bool, undetermined: bool
) -> Mixture:
    """The mixture that the trials in a file speak for.

    A trial is a row: `config.score`, and a weight for each of `sources` (none: all other columns). Weights sum to one in
    every row, unless they are `counts` of samples. Trials that do not settle the surrogate are refused, unless
    `undetermined`. Raises ConfigError in a sentence for every mistake.
    """
    table = _weights(path, sources, config.score, counts)
    width = table.width - 1
    free = width * (width + 1) // 2
    advice = "train each source alone, all but one, and all together, or take --undetermined for a guess"
    if table.height < free and not undetermined:
        raise ConfigError(
            f"{path}: {width} sources need {free} trials or more, and there are {table.height}; {advice}."
        )
    found = best_mixture(table, config, seed)
    if not found.surrogate.determined and not undetermined:
        rank = found.surrogate.rank
        raise ConfigError(f"{path}: the trials are too alike and settle {rank} of {free} numbers; {advice}.")
    return found


def _weights(path: Path, sources: Sequence[str], score: str, counts: bool) -> pl.DataFrame:
    """The columns of weights and the score, as numbers."""
    table = _read(path)
    if table.is_empty():
        raise ConfigError(f"{path} holds no trials: a row each, with a weight for every source and the score.")
    wanted = list(sources) or [name for name in table.columns if name != score]
    for name in (*wanted, score):
        if name not in table.columns:
            raise ConfigError(f"{path} has no column '{name}'; it has {', '.join(table.columns)}.")
        if not table[name].dtype.is_numeric():
            cure = "" if sources or name == score else "; name the columns of weights with --sources"
            raise ConfigError(f"{path}: column '{name}' does not hold numbers{cure}.")
    if score in wanted or len(set(wanted)) < len(wanted):
        raise ConfigError("--sources names a column twice, or the column of scores.")
    table = table.select(*wanted, score)
    for name in table.columns:
        gaps = (~table[name].is_finite().fill_null(False)).arg_true()
        if len(gaps):
            raise ConfigError(f"{path}: trial {gaps[0] + 1} has no finite number in column '{name}'.")
    sums = table.select(pl.sum_horizontal(wanted)).to_series()
    off = ((sums - 1).abs() > TOLERANCE).arg_true()
    if len(off) and not counts:
        row = off[0]
        raise ConfigError(
            f"{path}: the weights of trial {row + 1} sum to {sums[row]:.4g} and not to 1; "
            "if they are counts of samples, say --counts."
        )
    return table


def _read(path: Path) -> pl.DataFrame:
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ConfigError(f"{path}: trials are read from {', '.join(READERS)} files.")
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.")
    try:
        return reader(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from None
