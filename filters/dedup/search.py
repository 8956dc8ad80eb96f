"""From a set of vectors to an index that is known to be good enough: choose, train, tune, measure, say so."""

import dataclasses
import logging
from typing import Any

from filters.dedup.greedy import Take
from filters.dedup.index import IndexConfig, centroids, choose, load_faiss, make_index
from filters.dedup.recall import lists_needed, measured, probe, refuse_below, sample_places

logger = logging.getLogger(__name__)


def searcher(rows: int, dim: int, take: Take, radius: float, config: IndexConfig) -> Any:
    """An empty index for `rows` vectors; an IVF comes trained and with as many probes as `min_recall` asks for.

    The choice, and for an IVF its recall against brute force on a sample, are logged. Raises StageError where the
    asked recall cannot be reached.
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
        logger.info("%s; recall %.4f of %d true neighbours", choice, recall, len(found.heads))
        refuse_below(recall, config, str(choice))
    else:
        logger.info("%s", choice)
    return make_index(choice, config, quantizer)


def verified(index: Any, take: Take, radius: float, config: IndexConfig) -> None:
    """Measure a filled HNSW against brute force, which cannot be done beforehand; `take` reads its vectors by number.

    Other indexes return at once: exact ones need no measurement, an IVF has had it. Raises StageError below
    `min_recall`.
    """
    if "HNSW" not in type(index).__name__ or index.ntotal == 0:
        return
    found = probe(int(index.ntotal), take, radius, config)
    recall = measured(index, found, radius)
    logger.info("hnsw search: recall %.4f of %d true neighbours", recall, len(found.heads))
    refuse_below(recall, config, "hnsw search")
