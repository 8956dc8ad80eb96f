"""Long queries that a Ctrl-C ends at once.

DuckDB holds the interpreter's attention until a batch is there, so that a signal would be heard when an endless query ends.
Here queries run in a thread of their own, and whoever waits for them tells DuckDB to stop.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_LISTEN = 0.2
"""Seconds between two moments at which a signal is heard."""


def finished(connection: Any, work: Callable[[], T]) -> T:
    """What `work`, a query of `connection`, gives. Where the wait is interrupted, the query is, too."""
    with ThreadPoolExecutor(1, thread_name_prefix="query") as pool:
        return _wait(connection, pool, work)


def batches(connection: Any, open_reader: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """The batches of a reader over a query of `connection`, each fetched as in `finished`."""
    with ThreadPoolExecutor(1, thread_name_prefix="query") as pool:
        reader = _wait(connection, pool, open_reader)
        while (batch := _wait(connection, pool, lambda: next(reader, None))) is not None:
            yield batch


def _wait(connection: Any, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    future = pool.submit(work)
    try:
        while not wait([future], timeout=_LISTEN).done:
            pass
    except BaseException:
        connection.interrupt()
        with suppress(Exception):  # what an interrupted query says of that
            future.result()
        raise
    return future.result()
