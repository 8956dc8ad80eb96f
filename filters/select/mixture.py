"""Mixture weights by source: the search for the best mixture of a fitted surrogate.

MoDoMoDo (arXiv 2505.24871) describes its search twice, and differently. Section 3.2 names CMA-ES; algorithm 4 of the
appendix samples candidates from one Gaussian fitted to the observed mixtures and keeps the best. Both are offered by name.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from filters.select.surrogate import Doubles, Surrogate, Trials, fit, read_trials
from schemas.errors import MissingDependencyError
from schemas.section import Section

DIGITS = 4
"""Weights are rounded to this many digits: a difference below that is no finding, and varies between machines."""


class MixtureConfig(Section):
    """How the surrogate is fitted and searched."""

    score: str = Field(default="score", description="column of the trials that holds the score, larger is better")
    fit: Literal["all", "best_split"] = Field(
        default="all", description="fit all trials, or the best of five splits (algorithm 4 of the paper)"
    )
    search: Literal["cma", "gaussian"] = Field(
        default="cma", description="CMA-ES (section 3.2 of the paper), or samples of one Gaussian (its algorithm 4)"
    )
    starts: int = Field(
        default=4, ge=0, description="cma: observed mixtures, best first, to start from, beside the even one"
    )
    evaluations: int = Field(default=4_000, ge=1, description="cma: predictions for each start")
    samples: int = Field(default=100_000, ge=1, description="gaussian: candidates (the paper does not say how many)")


@dataclass(frozen=True)
class Mixture:
    """The weights found, what the surrogate predicts for them, the best trial beside it, the scores' standard deviation."""

    weights: dict[str, float]
    predicted: float
    best_trial: dict[str, float]
    best_score: float
    spread: float
    surrogate: Surrogate


def best_mixture(table: pl.DataFrame, config: MixtureConfig, seed: int) -> Mixture:
    """The mixture that a surrogate fitted to user-supplied trials expects most of.

    `table` has one row for each training that was tried: a column of weights (or counts) a source, and `config.score`. The
    weights go into `QuotaConfig(by=("source",), shares=weights, short="stop")`. Deterministic by seed, and the
    same in any order of rows. Raises ConfigError for a bad table, MissingDependencyError without the package `cma`.
    """
    trials = read_trials(table, config.score)
    model = fit(trials, config.fit, seed)
    found = _searched(trials, model, config, seed) if len(trials.sources) > 1 else np.ones(1)
    weights = np.round(found, DIGITS)
    weights = np.round(weights / weights.sum(), DIGITS)
    best = int(np.lexsort([*trials.weights.T[::-1], -trials.scores])[0])
    return Mixture(
        weights=dict(zip(trials.sources, weights.tolist(), strict=True)),
        predicted=float(model.predict(weights[None])[0]),
        best_trial=dict(zip(trials.sources, trials.weights[best].tolist(), strict=True)),
        best_score=float(trials.scores[best]),
        spread=float(trials.scores.std()),
        surrogate=model,
    )


def _searched(trials: Trials, model: Surrogate, config: MixtureConfig, seed: int) -> Doubles:
    """The candidate of highest prediction; the mixtures tried and the single sources are candidates always."""
    order = np.lexsort([*trials.weights.T[::-1], -trials.scores])
    tried = trials.weights[order]
    known = [np.full((1, len(trials.sources)), 1 / len(trials.sources)), np.eye(len(trials.sources)), tried]
    if config.search == "gaussian":
        known.append(_gaussian(tried, config.samples, seed))
    else:
        starts = np.concatenate([known[0], np.unique(tried[: config.starts], axis=0)])
        known += [_evolved(model.predict, start, config.evaluations, seed) for start in starts]
    candidates = np.concatenate(known)
    return np.asarray(candidates[int(np.argmax(np.round(model.predict(candidates), 9)))])


def _gaussian(tried: Doubles, samples: int, seed: int) -> Doubles:
    """Candidates from one Gaussian over the mixtures tried; those with a negative weight are left out (algorithm 4)."""
    drawn = np.random.default_rng(seed).multivariate_normal(
        tried.mean(axis=0), np.cov(tried, rowvar=False, bias=True), samples, method="eigh"
    )
    valid = drawn[(drawn >= 0).all(axis=1) & (drawn.sum(axis=1) > 0)]
    return np.asarray(valid / valid.sum(axis=1, keepdims=True))


def _evolved(predict: Callable[[Doubles], Doubles], start: Doubles, evaluations: int, seed: int) -> Doubles:
    """The end of one run of CMA-ES, `(1, m)`.

    The search is free; a point outside the simplex counts as the nearest point on it, less its squared distance, so that
    optima on the rim, where a source gets nothing, are reached and not only approached.
    """
    normal = np.random.default_rng(seed)
    options = {
        "randn": lambda *shape: normal.standard_normal(shape),  # its own would reseed numpy's global generator
        "seed": np.nan,
        "maxfevals": evaluations,
        "verbose": -9,
        "tolx": 1e-7,
    }
    strategy = _cma().CMAEvolutionStrategy(start, 0.2, options)
    while not strategy.stop():
        asked = np.array(strategy.ask())
        near = on_simplex(asked)
        strategy.tell(list(asked), (((asked - near) ** 2).sum(axis=1) - predict(near)).tolist())
    return on_simplex(np.array([strategy.result.xbest, strategy.result.xfavorite]))


def on_simplex(points: Doubles) -> Doubles:
    """The nearest mixture (no weight below 0, sum 1) to each row of `points` `(n, m)` (Duchi and others 2008)."""
    falling = -np.sort(-points, axis=1)
    excess = (np.cumsum(falling, axis=1) - 1) / np.arange(1, points.shape[1] + 1)
    last = (falling > excess).sum(axis=1) - 1
    return np.asarray(np.maximum(points - excess[np.arange(len(points)), last][:, None], 0.0))


def _cma() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that matplotlib is missing, which only its plots need
            import cma
    except ImportError as error:
        raise MissingDependencyError("cma", "mixture", "Searching a mixture with CMA-ES") from error
    return cma
