"""MoDoMoDo's quadratic surrogate: from trial trainings on a few mixtures to a prediction for every mixture.

`score(w) = a + b'w + w'Cw` over the weights w of m sources (arXiv 2505.24871, section 2, below equation 3): `b` is what a
source gives alone, `C` what sources give together. Its authors trained single sources, all but one, all, and a few
heuristic mixtures. With m sources a quadratic has m(m + 1) / 2 free
numbers on the simplex (weights sum to one, so `a` and `b` could be part of `C`); with fewer trials than that many quadratics
fit, and the one of least norm is taken, as in the paper. Its answer is then a guess, and `Surrogate.determined` says so.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.errors import ConfigError

Doubles = npt.NDArray[np.float64]

SPLITS = 5
"""Random splits of `fit: best_split`, each with four fifths of the trials to fit (algorithm 4)."""


@dataclass(frozen=True)
class Trials:
    """`weights` is `(trials, sources)`, each row summing to one; `scores` is `(trials,)`, larger is better."""

    sources: tuple[str, ...]
    weights: Doubles
    scores: Doubles


@dataclass(frozen=True)
class Surrogate:
    """`a`, `b` `(m,)` and `C` `(m, m)`, symmetric; how well they fit, and whether the trials determine them.

    `rmse` is over the trials that were fitted. `rmse_left_out` is over each trial predicted from a fit to all others (null
    below three trials); a surrogate is worth believing when that is well below the spread of the scores. `rank` of the
    `free` numbers are settled by the trials.
    """

    a: float
    b: Doubles
    c: Doubles
    rmse: float
    rmse_left_out: float | None
    rank: int
    free: int

    @property
    def determined(self) -> bool:
        return self.rank >= self.free

    def predict(self, weights: Doubles) -> Doubles:
        """The score of each row of `weights` `(n, m)`."""
        return np.asarray(self.a + weights @ self.b + np.einsum("ij,jk,ik->i", weights, self.c, weights))


def read_trials(table: pl.DataFrame, score: str) -> Trials:
    """The trials of a table: the column `score`, and one column of weights for each source.

    Weights are scaled to sum to one (counts of samples will do). Raises ConfigError for what cannot be trials.
    """
    sources = tuple(name for name in table.columns if name != score)
    if score not in table.columns or not sources or not all(kind.is_numeric() for kind in table.dtypes):
        raise ConfigError(f"mixture trials need a column '{score}' and a column of weights a source, all of numbers")
    weights = table.select(sources).cast(pl.Float64).to_numpy()
    scores = table[score].cast(pl.Float64).to_numpy()
    if not len(table) or not np.isfinite(weights).all() or not np.isfinite(scores).all():
        raise ConfigError("mixture trials are empty, or hold a missing or infinite number")
    if (weights < 0).any() or not (weights.sum(axis=1) > 0).all():
        raise ConfigError("mixture trials hold a negative weight, or a row without any weight")
    return Trials(sources, weights / weights.sum(axis=1, keepdims=True), scores)


def fit(trials: Trials, kind: Literal["all", "best_split"], seed: int) -> Surrogate:
    """Least squares over all trials, or (`best_split`, algorithm 4 of the paper) over four fifths of them.

    Least squares minimises RMSE, the paper's loss. `best_split` fits five random splits and keeps the one that predicts
    its left-out fifth best (R squared); it follows the paper, and wastes trials that are dear. Splits go by seed and
    the sorted trials, so the order of the table does not matter.
    """
    order = np.lexsort([*trials.weights.T[::-1], trials.scores])
    weights, scores = trials.weights[order], trials.scores[order]
    design = _design(weights)
    used = np.arange(len(scores)) if kind == "all" else _best_split(design, scores, seed)
    beta = _solve(design[used], scores[used])
    m = weights.shape[1]
    c = np.zeros((m, m))
    c[np.triu_indices(m)] = beta[1 + m :]
    return Surrogate(
        a=float(beta[0]),
        b=beta[1 : 1 + m],
        c=(c + c.T) / 2,
        rmse=float(np.sqrt(np.mean((design[used] @ beta - scores[used]) ** 2))),
        rmse_left_out=_left_out(design, scores),
        rank=int(np.linalg.matrix_rank(design[used])),
        free=m * (m + 1) // 2,
    )


def _design(weights: Doubles) -> Doubles:
    """Columns 1, w_i, and w_i w_j for i <= j."""
    first, second = np.triu_indices(weights.shape[1])
    return np.concatenate([np.ones((len(weights), 1)), weights, weights[:, first] * weights[:, second]], axis=1)


def _solve(design: Doubles, scores: Doubles) -> Doubles:
    return np.asarray(np.linalg.lstsq(design, scores, rcond=None)[0])


def _best_split(design: Doubles, scores: Doubles, seed: int) -> npt.NDArray[np.int64]:
    if len(scores) < 5:
        raise ConfigError(f"mixture fit: best_split needs 5 trials or more, there are {len(scores)}; use fit: all")
    chance = np.random.default_rng(seed)
    best, found = -np.inf, np.arange(len(scores))
    for _ in range(SPLITS):
        mixed = chance.permutation(len(scores))
        train, test = mixed[len(scores) // 5 :], mixed[: len(scores) // 5]
        wrong = design[test] @ _solve(design[train], scores[train]) - scores[test]
        # R squared against the spread of all scores: that of a fifth may be nothing at all.
        fitness = 1 - float(np.mean(wrong**2)) / max(float(scores.var()), 1e-12)
        if fitness > best:
            best, found = fitness, np.sort(train)
    return found


def _left_out(design: Doubles, scores: Doubles) -> float | None:
    if len(scores) < 3:
        return None
    wrong = []
    for left in range(len(scores)):
        rest = np.arange(len(scores)) != left
        wrong.append(float(design[left] @ _solve(design[rest], scores[rest]) - scores[left]))
    return float(np.sqrt(np.mean(np.square(wrong))))
