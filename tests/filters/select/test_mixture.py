"""MoDoMoDo: a planted optimum is recovered, and its weights become quotas."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.select.mixture import MixtureConfig, best_mixture, on_simplex
from filters.select.quota import QuotaConfig, allot
from filters.select.surrogate import fit, read_trials
from schemas.errors import ConfigError

Doubles = npt.NDArray[np.float64]
SOURCES = ("charts", "maths", "maps")
FIRST = np.concatenate([np.eye(3), (1 - np.eye(3)) / 2, np.full((1, 3), 1 / 3)])
"""What the paper trains first (section 3.2): each source alone, all but one, and all. They determine the quadratic."""


def planted(weights: Doubles, best: Doubles) -> Doubles:
    """A quadratic with its highest point at `best`."""
    return np.asarray(0.6 - ((weights - best) ** 2).sum(axis=1) - 0.5 * (weights[:, 0] - best[0]) ** 2)


def trials(best: Doubles, number: int = 12, noise: float = 0.0) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    more = chance.dirichlet(np.ones(3), number)
    weights = np.concatenate([FIRST, more])
    scores = planted(weights, best) + noise * chance.standard_normal(len(weights))
    return pl.DataFrame(weights, schema=list(SOURCES)).with_columns(pl.Series("score", scores))


def test_a_surrogate_by_hand() -> None:
    """Two sources: .2 and .4 alone, .6 half and half: .2 x + .4 y + c x y with .3 + c / 4 = .6, so c = 1.2."""
    table = pl.DataFrame({"x": [1.0, 0.0, 0.5], "y": [0.0, 1.0, 0.5], "score": [0.2, 0.4, 0.6]})
    model = fit(read_trials(table, "score"), "all", 0)
    assert (model.determined, model.free, model.rank) == (True, 3, 3)
    grid = np.array([[0.25, 0.75], [0.1, 0.9]])
    wanted = 0.2 * grid[:, 0] + 0.4 * grid[:, 1] + 1.2 * grid[:, 0] * grid[:, 1]
    np.testing.assert_allclose(model.predict(grid), wanted, atol=1e-9)
    # The highest point of .4 - .2 x + 1.2 x (1 - x) is where 1 = 2.4 x.
    found = best_mixture(table, MixtureConfig(), 0)
    assert found.weights == {"x": 0.4167, "y": 0.5833}
    assert found.predicted == pytest.approx(0.4 - 0.2 / 2.4 + 1.2 / 2.4 * (1 - 1 / 2.4), abs=1e-6)
    assert (found.best_trial, found.best_score) == ({"x": 0.5, "y": 0.5}, 0.6)


@pytest.mark.parametrize("search", ["cma", "gaussian"])
@pytest.mark.parametrize("best", [(0.5, 0.3, 0.2), (0.15, 0.05, 0.8), (0.6, 0.4, 0.0)])
def test_a_planted_optimum_is_recovered(best: tuple[float, ...], search: str) -> None:
    config = MixtureConfig.model_validate({"search": search})
    found = best_mixture(trials(np.array(best)), config, seed=1)
    assert found.surrogate.determined
    assert found.surrogate.rmse < 1e-9
    assert found.surrogate.rmse_left_out is not None and found.surrogate.rmse_left_out < 1e-6
    error = np.abs(np.array(list(found.weights.values())) - best).max()
    assert error < (0.001 if search == "cma" else 0.05)
    assert sum(found.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["all", "best_split"])
def test_a_noisy_optimum_is_nearly_recovered(kind: str) -> None:
    best = np.array([0.5, 0.3, 0.2])
    config = MixtureConfig.model_validate({"fit": kind})
    found = best_mixture(trials(best, 40, noise=0.01), config, seed=0)
    assert np.abs(np.array(list(found.weights.values())) - best).max() < 0.08
    assert planted(np.array([list(found.weights.values())]), best)[0] > 0.59


def test_an_optimum_on_the_rim_when_the_top_lies_outside() -> None:
    """The quadratic peaks at a negative weight; the best mixture gives that source exactly nothing."""
    found = best_mixture(trials(np.array([-0.3, 0.7, 0.6])), MixtureConfig(), 0)
    assert found.weights["charts"] == 0.0
    assert found.weights["maths"] == pytest.approx(0.55, abs=0.001)


def test_order_and_global_state_do_not_matter() -> None:
    table = trials(np.array([0.2, 0.2, 0.6]), noise=0.02)
    for search in ("cma", "gaussian"):
        config = MixtureConfig.model_validate({"search": search, "fit": "best_split"})
        before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
        one = best_mixture(table, config, 3)
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index,union-attr]
        assert best_mixture(table.reverse(), config, 3).weights == one.weights


def test_too_few_trials_say_so() -> None:
    table = pl.DataFrame(FIRST[:4], schema=list(SOURCES)).with_columns(pl.Series("score", [0.1, 0.2, 0.3, 0.4]))
    found = best_mixture(table, MixtureConfig(), 0)
    assert not found.surrogate.determined
    assert (found.surrogate.rank, found.surrogate.free) == (4, 6)
    assert found.predicted >= 0.39


def test_the_mixtures_of_the_paper_settle_the_quadratic() -> None:
    """Seven trainings for three sources, and six free numbers."""
    table = pl.DataFrame(FIRST, schema=list(SOURCES)).with_columns(pl.Series("score", range(7)))
    assert fit(read_trials(table, "score"), "all", 0).determined
    assert best_mixture(pl.DataFrame({"x": [1.0], "score": [0.5]}), MixtureConfig(), 0).weights == {"x": 1.0}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": [1.0], "result": [1.0]}, "need a column 'score'"),
        ({"x": ["a"], "score": [1.0]}, "all of numbers"),
        ({"x": [1.0, None], "score": [1.0, 2.0]}, "missing or infinite"),
        ({"x": [-1.0], "score": [1.0]}, "negative weight"),
        ({"x": [0.0], "score": [1.0]}, "without any weight"),
    ],
)
def test_bad_trials(table: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        best_mixture(pl.DataFrame(table), MixtureConfig(), 0)
    with pytest.raises(ConfigError, match="needs 5 trials"):
        best_mixture(pl.DataFrame({"x": [1.0], "score": [1.0]}), MixtureConfig(fit="best_split"), 0)


@given(st.lists(st.lists(st.floats(-3, 3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_projection_is_the_nearest_mixture(points: list[list[float]]) -> None:
    given_points = np.array(points)
    near = on_simplex(given_points)
    assert (near >= 0).all()
    np.testing.assert_allclose(near.sum(axis=1), 1, atol=1e-9)
    others = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    away = ((given_points[:, None] - others[None]) ** 2).sum(axis=2).min(axis=1)
    assert (((given_points - near) ** 2).sum(axis=1) <= away + 1e-9).all()


def test_weights_become_quotas() -> None:
    cells = pl.DataFrame({"source": ["charts", "maps", "maths"], "available": [100, 30, 900]})
    config = QuotaConfig(shares={"charts": 0.25, "maps": 0.15, "maths": 0.6}, short="stop")
    assert allot(cells, 1000, config)["quota"].to_list() == [50, 30, 120]
