"""Queries that never end, and who waits for them."""

import signal
import threading
from collections.abc import Iterator

import pytest

from pipelines.store.interruptible import batches, finished
from pipelines.store.read_only_sql import connect

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1"


@pytest.fixture
def interrupted() -> Iterator[None]:
    """A Ctrl-C half a second from now."""
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    yield
    timer.cancel()


@pytest.mark.usefixtures("interrupted")
def test_a_count_that_never_ends_is_ended() -> None:
    connection = connect()
    with pytest.raises(KeyboardInterrupt):
        finished(connection, lambda: connection.execute(ENDLESS).fetchone())
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.usefixtures("interrupted")
def test_rows_that_never_come_are_ended() -> None:
    connection = connect()
    with pytest.raises(KeyboardInterrupt):
        list(batches(connection, lambda: connection.sql(ENDLESS).to_arrow_reader(10)))


def test_what_ends_comes_whole_and_mistakes_are_told() -> None:
    connection = connect()
    found = batches(connection, lambda: connection.sql("SELECT range AS n FROM range(5000)").to_arrow_reader(2048))
    assert sum(batch.num_rows for batch in found) == 5000
    with pytest.raises(Exception, match="nowhere"):
        finished(connection, lambda: connection.execute("SELECT nowhere").fetchone())
