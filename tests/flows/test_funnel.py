"""What the funnel says below its table."""

from flows.funnel import search_lines


def test_the_index_chosen_and_its_recall_are_said() -> None:
    found = {"index": "ivf", "searches": 3, "largest": "ivf search on CPU: 9 x 8, 2 lists, 1 probed", "recall": 0.99}
    exact = {"index": "exact", "searches": 1, "largest": "exact search on CPU: 9 x 8", "recall": None}
    records = [{"stage": "ingest", "notes": {}}, {"stage": "dedup", "notes": {"searches": [exact, found]}}]
    assert search_lines(records) == [
        "dedup: exact search on CPU: 9 x 8",
        "dedup: ivf search on CPU: 9 x 8, 2 lists, 1 probed, recall 0.99 (the largest of 3)",
    ]
