"""The program of a process that computes buckets: it opens the build, then computes what it is given.

Its connection closes when the build's process ends, however that ends; it then ends at once, in the middle of whatever it
does.
"""

import os
import pickle
import queue
import sys
import threading
from multiprocessing.connection import Connection

OPENED, BROKEN, ROWS, DONE, FAILED = "opened", "broken", "rows", "done", "failed"
"""What a process says: it has opened the build; it cannot; so many rows more are done; what it did for its bucket; it
could not do that."""


def main() -> None:
    """Open the build, then compute what comes, until the connection closes."""
    connection, given = Connection(int(sys.argv[1])), queue.SimpleQueue[bytes]()
    threading.Thread(target=_listen, args=(connection, given), daemon=True).start()
    try:
        runner = pickle.loads(given.get())()
    except Exception as error:
        connection.send((BROKEN, f"{type(error).__name__}: {error}"))
        return
    connection.send((OPENED, None))
    while True:
        step, fingerprint, function, bucket, more = pickle.loads(given.get())
        try:
            context = runner.context(step, fingerprint)
            found = function(context, bucket, *more, lambda rows: connection.send((ROWS, rows)))
        except Exception as error:
            connection.send((FAILED, f"{type(error).__name__}: {error}"))
        else:
            connection.send((DONE, found))


def _listen(connection: Connection, given: "queue.SimpleQueue[bytes]") -> None:
    """Take what comes; the end of the connection is the end of the process."""
    while True:
        try:
            given.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)
