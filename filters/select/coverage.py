"""Diversity: a budget of rows that are worth much and together cover the candidates.

Two ways to cover. *Facility location* wants every candidate to have a chosen row near it: it sums, over all candidates,
the cosine of the nearest chosen one (Wei, Iyer and Bilmes 2015, "Submodularity in data subset selection and active
learning", ICML). It follows density: one representative for each crowd. *k-center* wants no candidate far from the
chosen ones: it takes the farthest row next (Gonzalez 1985; Sener and Savarese 2018, arXiv 1708.00489). It follows
extent, outliers first. Both weigh coverage against the value that a rule gave, `(1 - value_weight) * coverage +
value_weight * value`, both parts in [0, 1]. The papers have no value part; weight 0 is theirs.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, field_validator

from filters.dedup.index import IndexConfig
from filters.dedup.search import Report, logged
from filters.dedup.vectors import Floats, Ints, Vectors
from filters.select.greedy import Doubles, Limits, lazy_greedy
from filters.select.neighbours import SCALE, Graph, neighbour_graph
from filters.select.quota import limits
from schemas.errors import StepError
from schemas.ids import chance
from schemas.section import Section


class CoverageConfig(Section):
    """How candidates are covered, and what coverage weighs against value."""

    method: Literal["facility_location", "k_center"] = Field(
        default="facility_location", description="represent every crowd, or reach every corner"
    )
    value_weight: float = Field(default=0.5, ge=0, le=1, description="0 looks at coverage alone, 1 at value alone")
    neighbours: int = Field(default=32, ge=1, description="nearest neighbours of a row that it can represent")
    exact_pairs: int = Field(
        default=100_000_000,
        ge=0,
        description="k_center: exact up to this many candidates x budget, above it on the neighbour graph",
    )
    index: IndexConfig = Field(
        default=IndexConfig(exact_limit=30_000, min_recall=0.9, train_per_list=16),
        description="how neighbours are searched",
    )

    @field_validator("index")
    @classmethod
    def _repeatable(cls, index: IndexConfig) -> IndexConfig:
        if index.kind == "hnsw":
            raise ValueError("the links of an hnsw depend on the order in which threads insert; use exact, ivf or auto")
        return index


def cover(
    rows: pl.DataFrame,
    vectors: Vectors,
    budget: int,
    config: CoverageConfig,
    seed: int,
    quotas: pl.DataFrame | None = None,
    by: tuple[str, ...] = (),
    report: Report = logged,
) -> pl.DataFrame:
    """`id, rank` (Int32, 0 is taken first) of at most `budget` rows that balance value and coverage.

    `rows` has `id`, `key` (of its vector), `value` (larger is better), and the columns `by` where `quotas` (from
    `filters.select.quota.allot`) are given, which are then kept at every step. The order of `rows` does not matter: ties
    go by the `chance` of `filters.select.draw.place`, so that weight 1 takes the same rows as no coverage. Float32
    vectors of all candidates and their graph are held in memory, about 2.3 KB a row at 384 numbers.
    `report` is called with how neighbours were searched, where they were.

    Rows added far from all others (cosine 0 or less) leave facility location's order of the old ones as it was, if their
    values lie inside the old range. k-center cannot promise that: a far row is what it looks for. Raises StepError for
    a missing vector.
    """
    mixed = rows.with_columns(chance(f"select:{seed}", rows["id"]).alias("__chance")).sort("__chance", "id")
    places = vectors.find(mixed["key"])
    if (places < 0).any():
        lost = mixed["id"].filter(pl.Series(places < 0))
        raise StepError(f"select:coverage has no vector for {len(lost):,} of {len(places):,} rows, first {lost[0]}")
    matrix, values = vectors.take(places), mixed["value"].to_numpy()
    kept = limits(mixed, quotas, by) if quotas is not None else None
    if config.method == "k_center":
        order = k_center(matrix, values, budget, config, seed, kept, report)
    else:
        order = facility_location(_graph(matrix, config, seed, report), values, budget, config, kept)
    return pl.DataFrame({"id": mixed["id"].gather(order), "rank": np.arange(len(order), dtype=np.int32)})


def facility_location(
    vectors: Floats | Graph,
    values: npt.ArrayLike,
    budget: int,
    config: CoverageConfig,
    limits: Limits | None = None,
) -> Ints:
    """Rows in the order taken by lazy greedy: at least 1 - 1/e of the best value of any `budget` rows (1/2 with `limits`).

    `vectors` is `(rows, dim)` float32 of length one, or their neighbour graph. The gain of j is
    `(1 - w) * sum_i max(0, near_ij - near_i) / most + w * value_j`: near_i is the nearness of the nearest row taken so far
    (0 before), `most` the largest such sum of any row at the start, and values are scaled to [0, 1]. Similarity beyond
    the neighbour graph counts as 0. Ties go to the smaller index.
    """
    graph = vectors if isinstance(vectors, Graph) else neighbour_graph(vectors, config.neighbours, config.index)
    starts, ends, near = graph
    worth, weight = scaled(values), config.value_weight
    sums = np.concatenate([[0], np.cumsum(near, dtype=np.int64)])
    whole = sums[starts[1:]] - sums[starts[:-1]]
    most = int(whole.max(initial=1))
    covered = np.zeros(graph.rows, dtype=np.int32)
    at, value = starts.tolist(), worth.tolist()

    def gain(row: int) -> float:
        part = slice(at[row], at[row + 1])
        more = int(np.maximum(near[part] - covered[ends[part]], 0).sum())
        return float((1 - weight) * (more / most) + weight * value[row])

    def take(row: int) -> None:
        part = slice(at[row], at[row + 1])
        covered[ends[part]] = np.maximum(covered[ends[part]], near[part])

    return lazy_greedy((1 - weight) * (whole / most) + weight * worth, gain, take, budget, limits)


def k_center(
    vectors: Floats,
    values: npt.ArrayLike,
    budget: int,
    config: CoverageConfig,
    seed: int = 0,
    limits: Limits | None = None,
    report: Report = logged,
) -> Ints:
    """Rows in the order taken: each time the largest `(1 - w) * distance + w * value`, ties to the smaller index.

    `vectors` is `(rows, dim)` float32 of length one. Distance is to the nearest row taken so far, halved, so that it lies in
    [0, 1]; it is 1 before anything is taken, so the first row is the most valuable one. With weight 0 the farthest row is at
    most twice as far as in the best choice of that many rows. That takes rows x budget distances: it is the default up
    to `exact_pairs`, because it is the published rule. Above, distances are known inside the neighbour graph only (`seed` is
    for its search) and all other rows count as farthest, so that time grows with the rows alone: rows near to one
    taken are put off, but the farthest of the far ones is no longer distinguished, and value decides there.
    """
    if len(vectors) * min(budget, len(vectors)) > config.exact_pairs:
        return _k_center_on_graph(_graph(vectors, config, seed, report), values, budget, config, limits)
    worth, weight = scaled(values), config.value_weight
    cell, room = limits or Limits(np.zeros(len(vectors), dtype=np.int64), np.array([len(vectors)]))
    room, free = room.copy(), cell >= 0
    free[free] = room[cell[free]] > 0
    distance = np.ones(len(vectors))
    order: list[int] = []
    while len(order) < budget and free.any():
        row = int(np.argmax(np.where(free, (1 - weight) * distance + weight * worth, -1.0)))
        order.append(row)
        free[row] = False
        room[cell[row]] -= 1
        if room[cell[row]] == 0:
            free &= cell != cell[row]
        np.minimum(distance, _distance(vectors @ vectors[row]), out=distance)
    return np.array(order, dtype=np.int64)


def _k_center_on_graph(
    graph: Graph, values: npt.ArrayLike, budget: int, config: CoverageConfig, limits: Limits | None
) -> Ints:
    worth, weight = scaled(values), config.value_weight
    distance = np.ones(graph.rows)

    def gain(row: int) -> float:
        return float((1 - weight) * distance[row] + weight * worth[row])

    def take(row: int) -> None:
        part = slice(int(graph.starts[row]), int(graph.starts[row + 1]))
        ends = graph.ends[part]
        distance[ends] = np.minimum(distance[ends], _distance(graph.near[part] / SCALE))

    return lazy_greedy((1 - weight) * distance + weight * worth, gain, take, budget, limits)


def scaled(values: npt.ArrayLike) -> Doubles:
    """Values moved to [0, 1] by their smallest and largest; all 0 where they are equal. Raises StepError for NaN."""
    given = np.asarray(values, dtype=np.float64)
    if not np.isfinite(given).all():
        raise StepError(f"select:coverage needs a value for each row, {int((~np.isfinite(given)).sum()):,} have none")
    least, most = given.min(initial=np.inf), given.max(initial=-np.inf)
    return np.asarray((given - least) / (most - least)) if most > least else np.zeros(len(given))


def _graph(vectors: Floats, config: CoverageConfig, seed: int, report: Report) -> Graph:
    return neighbour_graph(vectors, config.neighbours, config.index.model_copy(update={"seed": seed}), report)


def _distance(cosine: npt.NDArray[np.floating]) -> Doubles:
    """Half the Euclidean distance of unit vectors, to six digits, so that a tie is a tie on every machine."""
    return np.asarray(np.round(np.sqrt(np.maximum(0.0, (1.0 - cosine.astype(np.float64)) / 2)), 6))
