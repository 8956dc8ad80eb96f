"""What is wanted takes no memory, however much it is, and comes back as it was asked for."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from pipelines.run.asked import Asked
from schemas.completion import Message, Request, completion_key
from schemas.ids import content_id

N = 8


def asked(count: int, first: int = 0) -> Iterator[tuple[Request, str]]:
    for i in range(first, first + count):
        yield Request(content_id(i), (Message("user", (str(i),)),), n=N), content_id(["prompt", i])


def test_what_was_asked_comes_back_in_its_order(tmp_path: Path) -> None:
    found = Asked(tmp_path)
    assert [found.add(asked(3), 0), found.add(asked(0), 1), found.add(asked(2, 3), 2)] == [True, False, True]
    requests, wanted = found.tables()
    assert (found.requests, found.samples) == (requests.height, wanted.height) == (5, 5 * N)
    assert requests["row"].to_list() == [content_id(i) for i in range(5)]
    assert requests["id"].is_sorted() and requests["id"].n_unique() == 5
    assert requests["turn"].to_list() == [0, 0, 0, 2, 2]
    prompts = [content_id(["prompt", i]) for i in range(5)]
    assert wanted.rows() == [
        (name, prompt, i, completion_key(prompt, i))
        for name, prompt in zip(requests["id"], prompts, strict=True)
        for i in range(N)
    ]


def test_memory_does_not_grow_with_what_is_asked(tmp_path: Path) -> None:
    """Python's own; Arrow's is of one bucket at a time."""
    buckets, held = [Asked(tmp_path) for _ in range(6)], []
    tracemalloc.start()
    try:
        for bucket in buckets:
            bucket.add(asked(500), 0)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[1] < 4 * 4 * 500 * N, "4 bytes a key; as tuples they took 200"
