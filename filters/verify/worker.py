"""The processes that do the expensive half of verifying. One *nursery* loads the symbolic engine and forks workers from it.

They are programs of their own rather than `multiprocessing` children: they must never re-run a trainer's main script, nor
inherit its threads, its CUDA context or its imports. Forking a loaded nursery takes milliseconds, so a killed worker is
replaced at once. A worker gets one JSON line an item and sends one back.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from typing import Any

from filters.verify import symbolic
from filters.verify.verifier import VerifyItem, prepare, verify_item
from schemas.answer import dump_answer, load_answer
from schemas.errors import MissingDependencyError
from schemas.verdict import Verdict

MEMORY_BYTES = 4 << 30
"""Address space of a worker: an answer that grows without end meets this before the machine does."""


def encode(number: int, item: VerifyItem) -> bytes:
    """An item as a line."""
    gold, params, options = dump_answer(item.gold), dict(item.params), list(item.options)
    parts = [item.response, gold, item.verifier, params, options, item.tags]
    return b"%d\t" % number + json.dumps(parts).encode() + b"\n"


def decode(line: bytes) -> VerifyItem:
    """The inverse of `encode`, without the number before the tab."""
    response, gold, verifier, params, options, tags = json.loads(line)
    return VerifyItem(response, load_answer(gold), verifier, params, tuple(options), tags)


def verdict_of(fields: list[Any]) -> Verdict:
    """A verdict from the fields of a `done` line."""
    return Verdict(*fields)


def main() -> None:
    """The nursery: forks a worker for each socket that it is sent; when its control socket closes, all of them end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with contextlib.suppress(MissingDependencyError):  # other kinds still work; a formula is unscored, and says so
        symbolic.warm_up()
    while True:
        message, sockets, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            os.killpg(0, signal.SIGKILL)
        if os.fork() == 0:
            control.close()
            serve(socket.socket(fileno=sockets[0]))
            os._exit(0)
        os.close(sockets[0])


def serve(connection: socket.socket) -> None:
    """A worker: answers items until its socket closes."""
    _limit_memory()
    _say(connection, ["ready", os.getpid()])
    with connection.makefile("rb") as lines:
        for line in lines:
            number, _, rest = line.partition(b"\t")
            _say(connection, ["start", int(number)])
            item = prepare(decode(rest))  # what the gold takes is not on the response's time
            _say(connection, ["response", int(number)])
            _say(connection, ["done", int(number), _answer(item)])


def _answer(item: VerifyItem) -> list[Any]:
    v = verify_item(item)
    return [v.score, v.correct, v.extracted, v.explanation, v.tier, v.parsed_gold, v.parsed_response]


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # no such limits here; the budget still holds
        pass


def _say(connection: socket.socket, message: list[Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
