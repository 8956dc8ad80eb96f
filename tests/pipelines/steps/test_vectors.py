"""What a step's record says of its searches."""

import numpy as np

from filters.dedup.index import Choice, IndexConfig
from filters.dedup.search import Search, searcher
from pipelines.steps.vectors import Searches


def test_one_entry_a_kind_of_index() -> None:
    searches = Searches()
    for rows, recall in ((5_000, 0.991), (9_000, 0.985)):
        searches.report(Search(Choice("ivf", rows, 8, lists=20, probes=3), recall, 300, 100))
    searches.report(Search(Choice("exact", 3_000, 8)))
    assert searches.notes() == [
        {"index": "exact", "device": "CPU", "searches": 1, "rows": 3_000, "largest": "exact search on CPU: 3,000 x 8",
         "recall": None, "recall_low": None, "recall_high": None},
        {"index": "ivf", "device": "CPU", "searches": 2, "rows": 14_000,
         "largest": "ivf search on CPU: 9,000 x 8, 20 lists, 3 probed", "recall": 0.985,
         "recall_low": 0.9376, "recall_high": 0.9965},
    ]  # fmt: skip


def test_a_search_reports_the_recall_that_it_measured() -> None:
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((40, 16))
    vectors = centres[chance.integers(0, 40, 4_000)] + 0.1 * chance.standard_normal((4_000, 16))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    searches = Searches()
    searcher(len(unit), 16, unit.__getitem__, 0.95, IndexConfig(kind="ivf", gpu=False), searches.report)
    (note,) = searches.notes()
    assert (note["index"], note["rows"]) == ("ivf", 4_000)
    assert note["recall"] >= 0.98
