"""Which FAISS index searches a set of vectors, and the index itself."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from filters.dedup.device_index import DeviceFlat, gpu_count
from filters.dedup.vectors import Floats, Ints
from schemas.errors import ConfigError, MissingDependencyError
from schemas.section import Section

logger = logging.getLogger(__name__)

SAMPLE = 1 << 29
"""Bytes of the rows that k-means sees, at most."""

IndexKind = Literal["auto", "exact", "ivf", "hnsw"]


class IndexConfig(Section):
    """How vectors are searched. `auto` is exact up to a size and IVF above."""

    kind: IndexKind = Field(
        default="auto", description="how vectors are searched; auto: by their number and the device"
    )
    exact_limit: int = Field(default=100_000, ge=0, description="auto: rows searched exactly on CPU")
    gpu_exact_limit: int = Field(default=10_000_000, ge=0, description="auto: rows searched exactly on a GPU")
    gpu: bool = Field(default=True, description="search exactly on a GPU when torch has one")
    min_recall: float = Field(default=0.98, gt=0, le=1, description="approximate search below this recall is refused")
    recall_sample: int = Field(default=2_000, ge=1, description="rows compared with brute force to measure recall")
    train_per_list: int = Field(default=40, ge=1, description="ivf: rows for each centroid that k-means sees")
    hnsw_links: int = Field(default=32, ge=2, description="hnsw: links a node (M)")
    hnsw_ef: int = Field(default=256, ge=1, description="hnsw: breadth of construction and search")
    block: int = Field(default=2048, ge=1, description="rows searched at a time")
    threads: int = Field(default=0, ge=0, description="FAISS threads, 0 leaves its own choice")
    seed: int = Field(default=0, description="of k-means and of the rows that measure recall")


@dataclass(frozen=True)
class Choice:
    """What was chosen for `rows` vectors of `dim`; `lists` and `probes` are 0 unless the kind is ivf."""

    kind: Literal["exact", "ivf", "hnsw"]
    rows: int
    dim: int
    gpu: bool = False
    lists: int = 0
    probes: int = 0

    def __str__(self) -> str:
        shape = f"{self.rows:,} x {self.dim}"
        detail = f", {self.lists} lists, {self.probes} probed" if self.kind == "ivf" else ""
        return f"{self.kind} search on {'GPU' if self.gpu else 'CPU'}: {shape}{detail}"


def load_faiss() -> Any:
    """The FAISS module, imported when first needed."""
    try:
        import faiss
    except ImportError as error:
        raise MissingDependencyError("faiss-cpu", "cpu", "Searching embeddings") from error
    return faiss


def choose(rows: int, dim: int, config: IndexConfig) -> Choice:
    """Exact below the size limit (a larger one on a GPU), IVF above, unless the config names a kind."""
    gpu = config.gpu and config.kind in ("auto", "exact") and gpu_count() > 0
    kind = config.kind
    if kind == "auto":
        kind = "exact" if rows <= (config.gpu_exact_limit if gpu else config.exact_limit) else "ivf"
    if kind == "ivf":
        lists = max(1, min(int(4 * np.sqrt(rows)), rows // 8))
        return Choice("ivf", rows, dim, False, lists, 1)
    return Choice(kind, rows, dim, gpu and kind == "exact")


def training_rows(choice: Choice, config: IndexConfig) -> int:
    """How many rows k-means sees: `train_per_list` for each list, as long as they fit into half a gigabyte."""
    return max(choice.lists, min(choice.lists * config.train_per_list, SAMPLE // (4 * choice.dim)))


def centroids(sample: Floats, choice: Choice, config: IndexConfig) -> Any:
    """A flat inner-product index over the k-means centroids of `sample`: the coarse quantizer of an IVF."""
    faiss = load_faiss()
    if len(sample) < choice.lists:
        raise ConfigError(f"{len(sample)} rows cannot train {choice.lists} lists; use index.kind: exact")
    means = faiss.Clustering(choice.dim, choice.lists)
    means.niter, means.seed, means.spherical, means.verbose = 8, config.seed + 1, True, False
    means.min_points_per_centroid, means.max_points_per_centroid = 1, config.train_per_list
    quantizer = faiss.IndexFlatIP(choice.dim)
    means.train(sample, quantizer)
    return quantizer


def make_index(choice: Choice, config: IndexConfig, quantizer: Any = None) -> Any:
    """An empty index that `add` and `range_hits` work on. IVF and HNSW store float16, which is what the disk holds."""
    faiss = load_faiss()
    metric = faiss.METRIC_INNER_PRODUCT
    if choice.kind == "ivf":
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(quantizer, choice.dim, choice.lists, half, metric, False)
        index.is_trained = True
        index.nprobe = choice.probes
        return index
    if choice.kind == "hnsw":
        index = faiss.IndexHNSWSQ(choice.dim, faiss.ScalarQuantizer.QT_fp16, config.hnsw_links, metric)
        index.is_trained = True
        index.hnsw.efConstruction = index.hnsw.efSearch = config.hnsw_ef
        return index
    if choice.gpu:
        return DeviceFlat(choice.rows, choice.dim)
    return faiss.IndexFlatIP(choice.dim)


class RangeReader:
    """Range search in parts sized by what came before, so that FAISS holds about `hits` found pairs at a time."""

    def __init__(self, index: Any, radius: float, hits: int = 1 << 23) -> None:
        self.index, self._radius, self._hits = index, radius, hits
        self._mean: float | None = None

    def pairs(self, block: Floats) -> tuple[Ints, Ints]:
        """`(query, found)`: each pair of a block row and an indexed row whose inner product exceeds the radius."""
        parts = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)), *self.parts(block)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def parts(self, block: Floats, *lists: Ints) -> Iterator[tuple[Ints, Ints]]:
        """The same pairs, as they are found; `lists` are those that each row probes, for a `Listed` index."""
        start = 0
        while start < len(block) and self.index.ntotal:
            rows = slice(start, start + self._step(len(block)))
            part = block[rows]
            lims, _, ids = self.index.range_search(part, self._radius, *(each[rows] for each in lists))
            counts = np.diff(lims.astype(np.int64))
            yield np.repeat(np.arange(start, start + len(part), dtype=np.int64), counts), ids.astype(np.int64)
            start += len(part)
            self._mean = max(len(ids) / len(part), (self._mean or 0.0) / 2)

    def _step(self, rows: int) -> int:
        if rows * self.index.ntotal <= self._hits:
            return rows
        if self._mean is None:
            return 64
        return max(16, int(self._hits / (8 * max(self._mean, 1.0))))


def range_hits(index: Any, block: Floats, radius: float, hits: int = 1 << 23) -> tuple[Ints, Ints]:
    """`RangeReader.pairs` for a single block."""
    return RangeReader(index, radius, hits).pairs(block)
