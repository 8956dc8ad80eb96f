"""Clusters of like rows, joint vectors, and the balanced draw."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.vectors import Vectors
from filters.select.clusters import CLUSTER, ClusterConfig, clustered
from filters.select.joint import joint
from filters.select.quota import QuotaConfig, allot, cells, draw
from schemas.errors import StepError


def crowds(*sizes: int) -> tuple[pl.DataFrame, Vectors]:
    """Crowds of near vectors, each around an axis of its own."""
    chance = np.random.default_rng(0)
    crowd = np.repeat(np.arange(len(sizes)), sizes)
    matrix = np.eye(len(sizes))[crowd] + 0.05 * chance.standard_normal((len(crowd), len(sizes)))
    rows = pl.DataFrame({"id": [f"r{number:03d}" for number in range(len(crowd))], "crowd": crowd})
    rows = rows.with_columns(pl.col("id").alias("key"), pl.int_range(pl.len()).alias("rank"))
    return rows, Vectors(rows["key"], matrix.astype(np.float32))


def balanced(rows: pl.DataFrame, budget: int) -> pl.Series:
    """The draw that `quotas: {by: [cluster], shares: equal}` asks for."""
    quotas = QuotaConfig(by=(CLUSTER,), shares="equal")
    return draw(rows, allot(cells(rows, quotas.by), budget, quotas), quotas.by)


def test_crowds_are_found_and_drawn_equally() -> None:
    """Crowds of 30, 12 and 2, nine seats: 3 each, but the last has only 2, so the first label gets the odd one."""
    rows, vectors = crowds(30, 12, 2)
    got = clustered(rows, vectors, ClusterConfig(clusters=3), seed=0)
    assert got.group_by("crowd").agg(pl.col("cluster").n_unique())["cluster"].to_list() == [1, 1, 1]
    assert got["cluster"].n_unique() == 3
    taken = got.filter(pl.col("id").is_in(balanced(got, 9).implode()))
    counts = dict(taken.group_by("crowd").len().iter_rows())
    assert counts[2] == 2
    assert sorted((counts[0], counts[1])) == [3, 4]
    best = taken.filter(pl.col("crowd") == 1)["id"].to_list()
    assert best == [f"r{number:03d}" for number in range(30, 30 + len(best))]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 8), st.integers(0, 40))
def test_any_order_the_same_clusters_and_the_budget_is_met(sizes: list[int], clusters: int, budget: int) -> None:
    rows, vectors = crowds(*sizes)
    config = ClusterConfig(clusters=clusters)
    got = clustered(rows, vectors, config, seed=1)
    assert got.drop("cluster").equals(rows)
    again = clustered(rows.reverse(), Vectors(vectors.keys.reverse(), vectors.matrix[::-1]), config, seed=1)
    assert again.sort("id").equals(got)
    ids = balanced(got, budget)
    assert len(ids) == ids.n_unique() == min(budget, rows.height)
    counts = got.filter(pl.col("id").is_in(ids.implode())).group_by("cluster").len()
    sizes_ = dict(got.group_by("cluster").len().iter_rows())
    most = max((n for _, n in counts.iter_rows()), default=0)
    assert all(n >= most - 1 or n == sizes_[cluster] for cluster, n in counts.iter_rows())


def test_a_missing_vector_is_named() -> None:
    rows, vectors = crowds(2, 2)
    with pytest.raises(StepError, match="no vector for 1 of 4 rows"):
        clustered(rows, Vectors(vectors.keys[:3], vectors.matrix[:3]), ClusterConfig(), 0)


def test_joint_vectors_add_cosines() -> None:
    """Same question, other image: share of the text. A row without an image: the same."""
    text = Vectors(pl.Series(["t"]), np.array([[3.0, 4.0]], dtype=np.float32))
    image = Vectors(pl.Series(["x", "y"]), np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32))
    rows = pl.DataFrame({"id": ["a", "b", "c"], "text_key": ["t"] * 3, "image_keys": [["x"], ["y"], []]})
    both = joint(rows, text, image, 0.7)
    assert both.keys.to_list() == ["a", "b", "c"]
    np.testing.assert_allclose(both.matrix @ both.matrix.T, [[1, 0.7, 0.7], [0.7, 1, 0.7], [0.7, 0.7, 0.7]], atol=1e-6)
    np.testing.assert_allclose(joint(rows, text, None).matrix, [[0.6, 0.8]] * 3, atol=1e-6)
    with pytest.raises(StepError, match="no vector for 1 of 2 keys, first z"):
        joint(rows.with_columns(pl.Series("image_keys", [["x"], ["z"], []])), text, image)


def test_several_images_count_as_their_mean_and_images_alone_will_do() -> None:
    """a shows x and y: their mean lies at 45 degrees to both. c shows none and is near to nobody."""
    image = Vectors(pl.Series(["x", "y"]), np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32))
    rows = pl.DataFrame({"id": ["a", "b", "c"], "image_keys": [["x", "y"], ["x"], []]})
    both = joint(rows, None, image)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(both.matrix @ both.matrix.T, [[1, half, 0], [half, 1, 0], [0, 0, 0]], atol=1e-6)
    with pytest.raises(StepError, match="images alone and no candidate has one"):
        joint(rows, None, None)
