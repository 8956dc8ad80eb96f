"""Facility location and k-center: worked examples, the greedy bound, and what does not depend on order."""

import math
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.dedup.index import IndexConfig
from filters.dedup.vectors import Floats, Vectors
from filters.select.coverage import CoverageConfig, cover, facility_location, k_center, scaled
from filters.select.greedy import Limits
from filters.select.neighbours import SCALE, Graph, neighbour_graph
from filters.select.quota import QuotaConfig, allot, cells
from schemas.errors import StepError

ALONE = CoverageConfig(value_weight=0.0)


def on_circle(*degrees: float) -> Floats:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def scattered(rows: int, dim: int, seed: int) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def dense(graph: Graph) -> npt.NDArray[np.int64]:
    table = np.zeros((graph.rows, graph.rows), dtype=np.int64)
    heads = np.repeat(np.arange(graph.rows), np.diff(graph.starts))
    table[heads, graph.ends] = graph.near
    return table


def covered(table: npt.NDArray[np.int64], chosen: tuple[int, ...]) -> int:
    return int(table[:, list(chosen)].max(axis=1, initial=0).sum())


def exact_greedy(graph: Graph, values: npt.NDArray[np.float64], budget: int, weight: float) -> list[int]:
    """Every gain, in every round: what the lazy one must equal."""
    table, worth = dense(graph), scaled(values)
    most = int(table.sum(axis=0).max(initial=1))
    order: list[int] = []
    for _ in range(min(budget, graph.rows)):
        now = table[:, order].max(axis=1, initial=0)
        more = np.maximum(table - now[:, None], 0).sum(axis=0)
        gains = (1 - weight) * (more / most) + weight * worth
        gains[order] = -1
        order.append(int(np.argmax(gains)))
    return order


def test_facility_location_by_hand() -> None:
    """Crowds at 0, 10, 20 and at 90, 100 degrees; cosines of 10, 20, 70, 80 are .9848, .9397, .3420, .1736.

    Row 2 (20 degrees) covers most: .9397 + .9848 + 1 + .3420 + .1736 = 3.440; row 1 has 3.143, row 3 has 2.501. Then rows 3
    and 4 both add 1.469, and the smaller index is taken; then rows 0 and 1 both add .0603, row 4 only .0152.
    """
    vectors = on_circle(0, 10, 20, 90, 100)
    assert facility_location(vectors, np.zeros(5), 3, ALONE).tolist() == [2, 3, 0]


def test_value_moves_the_choice() -> None:
    vectors = on_circle(0, 10, 20, 90, 100)
    values = [0.0, 0.0, 0.0, 0.0, 5.0]
    assert facility_location(vectors, values, 1, CoverageConfig(value_weight=0.9)).tolist() == [4]
    only = CoverageConfig(value_weight=1.0)
    assert facility_location(vectors, [1, 3, 2, 5, 4], 5, only).tolist() == [3, 4, 1, 2, 0]
    assert k_center(vectors, [1, 3, 2, 5, 4], 5, only).tolist() == [3, 4, 1, 2, 0]


def test_k_center_by_hand() -> None:
    """From 0 degrees the farthest is 170; then 80 is 80 away from 0 and 90 from 170, farther than 20 or 160 are."""
    vectors = on_circle(0, 20, 80, 160, 170)
    assert k_center(vectors, np.zeros(5), 5, ALONE).tolist() == [0, 4, 2, 1, 3]


def test_k_center_balances_by_hand() -> None:
    """After 0 degrees, half distances are sin(a / 2): .6428 at 80, .9962 at 170. At weight .3 a value can outweigh that.

    `[1, .95, 0]`: 80 scores .7 * .6428 + .3 * .95 = .735, and 170 scores .7 * .9962 = .697.
    """
    vectors = on_circle(0, 80, 170)
    half = CoverageConfig(value_weight=0.3)
    assert k_center(vectors, [0.9, 1.0, 0.0], 2, half).tolist() == [1, 0]
    assert k_center(vectors, [1.0, 0.95, 0.0], 2, half).tolist() == [0, 1]
    assert k_center(vectors, [1.0, 0.95, 0.0], 2, ALONE).tolist() == [0, 2]


def test_the_graph_by_hand() -> None:
    """One neighbour each: 0 and 10 name each other, 30 names 10 and so is 10's neighbour too; 180 has nobody."""
    graph = neighbour_graph(on_circle(0, 10, 30, 180), 1, IndexConfig())
    near = [round(SCALE * math.cos(math.radians(degrees))) for degrees in (10, 20)]
    wanted = [[SCALE, near[0], 0, 0], [near[0], SCALE, near[1], 0], [0, near[1], SCALE, 0], [0, 0, 0, SCALE]]
    assert dense(graph).tolist() == wanted


@settings(max_examples=60)
@given(st.integers(1, 25), st.integers(0, 99), st.integers(0, 27), st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 6))
def test_lazy_greedy_is_greedy(rows: int, seed: int, budget: int, weight: float, neighbours: int) -> None:
    vectors = np.repeat(scattered(rows, 3, seed), 2, axis=0)  # duplicates make ties
    values = np.round(np.random.default_rng(seed).random(len(vectors)), 1)
    config = CoverageConfig(value_weight=weight, neighbours=neighbours)
    graph = neighbour_graph(vectors, neighbours, config.index)
    assert facility_location(graph, values, budget, config).tolist() == exact_greedy(graph, values, budget, weight)


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 999))
def test_greedy_reaches_its_bound(rows: int, budget: int, seed: int) -> None:
    graph = neighbour_graph(scattered(rows, 3, seed), 4, IndexConfig())
    table, budget = dense(graph), min(budget, rows)
    best = max(covered(table, chosen) for chosen in combinations(range(rows), budget))
    got = covered(table, tuple(facility_location(graph, np.zeros(rows), budget, ALONE).tolist()))
    assert got >= (1 - 1 / math.e) * best


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 999))
def test_k_center_is_within_twice_the_best(rows: int, budget: int, seed: int) -> None:
    vectors, budget = scattered(rows, 3, seed), min(budget, rows)
    table = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)

    def radius(chosen: tuple[int, ...]) -> float:
        return float(table[:, list(chosen)].min(axis=1).max())

    best = min(radius(chosen) for chosen in combinations(range(rows), budget))
    assert radius(tuple(k_center(vectors, np.zeros(rows), budget, ALONE).tolist())) <= 2 * best + 1e-4


@settings(max_examples=40)
@given(st.integers(1, 20), st.integers(0, 25), st.integers(0, 99), st.sampled_from([0.0, 0.4]))
def test_k_center_on_a_full_graph_is_the_exact_one(rows: int, budget: int, seed: int, weight: float) -> None:
    """With all rows as neighbours nothing is lost but what lies beyond 90 degrees; here all cosines are positive."""
    vectors = np.abs(scattered(rows, 4, seed))
    values = np.random.default_rng(seed).random(rows)
    full = CoverageConfig(value_weight=weight, neighbours=rows, exact_pairs=0)
    exact = k_center(vectors, values, budget, CoverageConfig(value_weight=weight))
    graph = k_center(vectors, values, budget, full)
    assert len(graph) == len(exact) == min(rows, budget)
    assert weight == 0.0 or graph[:1].tolist() == exact[:1].tolist()
    # Nearness is rounded to ten-thousandths, so near ties may fall the other way: compare what is reached.
    reached = [float((vectors @ vectors[order].T).max(axis=1, initial=-1).min()) for order in (exact, graph)]
    assert budget == 0 or weight > 0 or abs(reached[0] - reached[1]) < 0.15


def table(rows: int, seed: int, prefix: str = "r") -> tuple[pl.DataFrame, Vectors]:
    chance = np.random.default_rng(seed)
    ids = [f"{prefix}{number:03d}" for number in range(rows)]
    frame = pl.DataFrame(
        {"id": ids, "key": [f"k{id_}" for id_ in ids], "value": chance.random(rows)},
        schema={"id": pl.String, "key": pl.String, "value": pl.Float64},
    ).with_columns(pl.Series("source", chance.choice(["a", "b", "c"], rows), dtype=pl.String))
    return frame, Vectors(frame["key"], scattered(rows, 4, seed))


@settings(max_examples=30)
@given(st.integers(0, 30), st.integers(0, 35), st.sampled_from(["facility_location", "k_center"]), st.booleans())
def test_cover_fills_the_budget_in_any_order_of_rows(rows: int, budget: int, method: str, bounded: bool) -> None:
    frame, vectors = table(rows, rows)
    config = CoverageConfig.model_validate({"method": method, "exact_pairs": 0 if bounded else 10**6})
    got = cover(frame, vectors, budget, config, seed=3)
    assert got.schema == pl.Schema({"id": pl.String, "rank": pl.Int32})
    assert got.height == got["id"].n_unique() == min(rows, budget)
    assert got["rank"].to_list() == list(range(got.height))
    turned = Vectors(vectors.keys.reverse(), vectors.matrix[::-1])
    assert got.equals(cover(frame.reverse(), turned, budget, config, seed=3))


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(0, 35), st.sampled_from(["facility_location", "k_center"]), st.booleans())
def test_cover_meets_quotas(rows: int, budget: int, method: str, bounded: bool) -> None:
    frame, vectors = table(rows, rows)
    config = CoverageConfig.model_validate({"method": method, "exact_pairs": 0 if bounded else 10**6})
    quotas = allot(cells(frame, ("source",)), budget, QuotaConfig(shares="equal"))
    got = cover(frame, vectors, budget, config, 0, quotas, ("source",))
    assert got.height == min(rows, budget)
    counts = dict(frame.join(got, on="id").group_by("source").len().iter_rows())
    assert all(counts.get(source, 0) == quota for source, _, quota in quotas.iter_rows())


def test_a_row_without_a_cell_is_never_taken() -> None:
    limits = Limits(np.array([0, -1, 0]), np.array([2]))
    vectors = on_circle(0, 90, 180)
    assert facility_location(vectors, [0, 9, 1], 3, ALONE, limits).tolist() == [0, 2]
    assert k_center(vectors, [0, 9, 1], 3, ALONE, limits=limits).tolist() == [0, 2]


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(1, 6), st.sampled_from([0.0, 0.4]))
def test_unrelated_rows_leave_facility_location_alone(rows: int, more: int, weight: float) -> None:
    """Rows each in a dimension of its own have a cosine of 0 with all others; the old ones keep their order."""
    frame, vectors = table(rows, rows)
    middle = float(frame.select((pl.col("value").min() + pl.col("value").max()) / 2).item())
    new = table(more, rows + 1, "new")[0].with_columns(value=pl.lit(middle))
    both = pl.concat([new, frame])
    wide = np.zeros((more + rows, 4 + more), dtype=np.float32)
    wide[:more, 4:] = np.eye(more)
    wide[more:, :4] = vectors.matrix
    config = CoverageConfig(value_weight=weight, neighbours=3)
    before = cover(frame, vectors, rows, config, 1)
    after = cover(both, Vectors(both["key"], wide), rows + more, config, 1).filter(pl.col("id").str.starts_with("r"))
    assert before["id"].to_list() == after["id"].to_list()


def test_an_ivf_gives_nearly_the_exact_graph() -> None:
    centres = scattered(40, 16, 0)
    vectors = np.repeat(centres, 50, axis=0) + 0.05 * np.random.default_rng(1).standard_normal((2000, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    exact = neighbour_graph(vectors, 8, IndexConfig(kind="exact"))
    ivf = neighbour_graph(vectors, 8, IndexConfig(kind="ivf", min_recall=0.95))
    kept = set(zip(*np.nonzero(dense(exact)), strict=True)) & set(zip(*np.nonzero(dense(ivf)), strict=True))
    assert len(kept) >= 0.93 * len(exact.ends)
    assert facility_location(ivf, np.zeros(2000), 40, ALONE).tolist() != list(range(40))
    reached = [covered(dense(exact), tuple(facility_location(g, np.zeros(2000), 40, ALONE))) for g in (exact, ivf)]
    assert reached[1] >= 0.98 * reached[0]


def test_what_is_refused() -> None:
    frame, vectors = table(3, 0)
    with pytest.raises(StepError, match="no vector for 1 of 3 rows"):
        cover(frame, Vectors(vectors.keys[:2], vectors.matrix[:2]), 1, ALONE, 0)
    with pytest.raises(StepError, match="a value for each row, 1 have none"):
        cover(frame.with_columns(pl.Series("value", [1.0, None, 2.0])), vectors, 1, ALONE, 0)
    with pytest.raises(ValidationError, match="links of an hnsw depend on the order"):
        CoverageConfig(index=IndexConfig(kind="hnsw"))
