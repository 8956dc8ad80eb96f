"""From a set of vectors to an index that is known to be good enough: choose, train, tune, measure, say so."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from filters.dedup.greedy import Take
from filters.dedup.index import Choice, IndexConfig, centroids, choose, load_faiss, make_index, training_rows
from filters.dedup.lists import Listed, Lists
from filters.dedup.recall import lists_needed, measured, probe, refuse_below, sample_places, wilson_ends
from filters.dedup.shards import EVERYTHING, Filled, Room, Shards

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """One search as it was done: the index chosen and, of an approximate one, the recall on `pairs` true neighbours."""

    choice: Choice
    recall: float | None = None
    pairs: int = 0
    queries: int = 0
    """Sampled rows that have a true neighbour."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the recall on all rows lies (95 %, Wilson), by rows: the pairs of one row are found or missed together."""
        return None if self.recall is None else wilson_ends(self.recall, max(1, self.queries))

    def __str__(self) -> str:
        if (ends := self.interval) is None:
            return str(self.choice)
        found = f"recall {self.recall:.4f} [{ends[0]:.4f}, {ends[1]:.4f}] of {self.pairs} true neighbours"
        return f"{self.choice}; {found} of {self.queries} sampled rows"


Report = Callable[[Search], None]
"""Who wants to know of each search."""


def logged(search: Search) -> None:
    """Says so in the log, and to nobody else."""
    logger.info("%s", search)


def searcher(rows: int, dim: int, take: Take, radius: float, config: IndexConfig, report: Report = logged) -> Any:
    """An empty index for `rows` vectors; an IVF comes trained and with as many probes as `min_recall` asks for.

    `report` is called with the choice and of an IVF's recall against brute force on a sample; of an HNSW's from `verified`.
    Raises StepError where the asked recall cannot be reached.
    """
    choice, quantizer = _chosen(rows, dim, take, radius, config, report)
    return make_index(choice, config, quantizer)


def shards(
    rows: int,
    dim: int,
    take: Take,
    radius: float,
    config: IndexConfig,
    report: Report = logged,
    room: Room = EVERYTHING,
) -> Shards:
    """Indexes for `rows` vectors, none of which takes more than `room` gives it. As `searcher` otherwise."""
    choice, quantizer = _chosen(rows, dim, take, radius, config, report)
    most = max(config.block, min(rows, room.rows(choice)))
    choice = dataclasses.replace(choice, rows=most)
    if choice.kind != "ivf":
        return Shards(lambda: make_index(choice, config), most, None, filled(take, radius, config, report))
    lists = Lists(quantizer, rows, choice.probes, room.folder)
    return Shards(lambda: Listed(make_index(choice, config, quantizer)), most, lists)


def filled(take: Take, radius: float, config: IndexConfig, report: Report) -> Filled:
    """What is done with each index that has received its rows: an HNSW is measured."""
    return lambda index, stored: verified(index, lambda places: take(stored[places]), radius, config, report)


def _chosen(rows: int, dim: int, take: Take, radius: float, config: IndexConfig, report: Report) -> tuple[Choice, Any]:
    """The kind of index, and the coarse quantizer of an IVF."""
    if config.threads:
        load_faiss().omp_set_num_threads(config.threads)
    choice = choose(rows, dim, config)
    quantizer = None
    if choice.kind == "ivf":
        sample = take(sample_places(rows, training_rows(choice, config), config.seed))
        quantizer = centroids(sample, choice, config)
        del sample
        found = probe(rows, take, radius, config)
        need, recall = lists_needed(quantizer, found, take, config.min_recall)
        choice = dataclasses.replace(choice, probes=need)
        report(Search(choice, recall, len(found.heads), len(np.unique(found.heads))))
        refuse_below(recall, config, str(choice))
    elif choice.kind == "exact":
        report(Search(choice))
    return choice, quantizer


def verified(index: Any, take: Take, radius: float, config: IndexConfig, report: Report = logged) -> None:
    """Measure a filled HNSW against brute force, which cannot be done beforehand; `take` reads its vectors by number.

    Other indexes return at once: exact ones need no measurement, an IVF has had it. Raises StepError below
    `min_recall`.
    """
    if "HNSW" not in type(index).__name__ or index.ntotal == 0:
        return
    found = probe(int(index.ntotal), take, radius, config)
    recall = measured(index, found, radius)
    choice = Choice("hnsw", int(index.ntotal), int(index.d))
    report(Search(choice, recall, len(found.heads), len(np.unique(found.heads))))
    refuse_below(recall, config, str(choice))
