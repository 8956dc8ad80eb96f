"""From a set of vectors to an index that is known to be good enough: choose, train, tune, measure, say so."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filters.dedup.greedy import Take
from filters.dedup.index import Choice, IndexConfig, centroids, choose, load_faiss, make_index
from filters.dedup.recall import lists_needed, measured, probe, refuse_below, sample_places

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """One search as it was done: the index chosen and, of an approximate one, the recall on `pairs` true neighbours."""

    choice: Choice
    recall: float | None = None
    pairs: int = 0

    def __str__(self) -> str:
        found = "" if self.recall is None else f"; recall {self.recall:.4f} of {self.pairs} true neighbours"
        return f"{self.choice}{found}"


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
    if config.threads:
        load_faiss().omp_set_num_threads(config.threads)
    choice = choose(rows, dim, config)
    quantizer = None
    if choice.kind == "ivf":
        sample = take(sample_places(rows, choice.lists * config.train_per_list, config.seed))
        quantizer = centroids(sample, choice, config)
        found = probe(rows, take, radius, config)
        need, recall = lists_needed(quantizer, found, take, config.min_recall)
        choice = dataclasses.replace(choice, probes=need)
        report(Search(choice, recall, len(found.heads)))
        refuse_below(recall, config, str(choice))
    elif choice.kind == "exact":
        report(Search(choice))
    return make_index(choice, config, quantizer)


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
    report(Search(choice, recall, len(found.heads)))
    refuse_below(recall, config, str(choice))
