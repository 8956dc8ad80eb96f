"""A fleet of chat servers on loopback, in a process of its own: instant, or with log-normal times; some of them die.

One process listens on a port for each server, so that a client meets a fleet and the machine has one more busy core.
"""

import asyncio
import contextlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection

from schemas.ids import seeded

MEDIAN_S, SIGMA = 1.0, 0.7
"""Of the log-normal times; about those of short replies of a hosted model."""

_CHOICE = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "It is a red circle. " * 10},
}
_USAGE = {"prompt_tokens": 50, "completion_tokens": 60, "total_tokens": 110}
_REPLY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [_CHOICE], "usage": _USAGE}
_MODELS = {"object": "list", "data": [{"id": "m", "object": "model"}]}


def latency(content: str, median: float = MEDIAN_S) -> float:
    """Seconds that a server takes for a prompt: the same whenever it is asked."""
    return median * seeded(2, content).lognormvariate(0.0, SIGMA)


def _http(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data


REPLY, MODELS = _http(_REPLY), _http(_MODELS)


class _Server(asyncio.Protocol):
    """One connection. `median` of 0: every answer at once."""

    def __init__(self, median: float, open_: set[asyncio.Transport]) -> None:
        self.median, self.open = median, open_
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, end, body = self.held.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET"):
            self.held = b""
            self.transport.write(MODELS)
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.held = b""
        if not self.median:
            self.transport.write(REPLY)
            return
        content = json.loads(body)["messages"][-1]["content"]
        asyncio.get_running_loop().call_later(latency(content, self.median), self.transport.write, REPLY)


async def _serve(pipe: Connection, servers: int, median: float, deaths: Mapping[int, float]) -> None:
    loop = asyncio.get_running_loop()
    listening, connections = [], [set[asyncio.Transport]() for _ in range(servers)]
    for open_ in connections:
        made = await loop.create_server(lambda held=open_: _Server(median, held), "127.0.0.1", 0, backlog=1024)
        listening.append(made)
    pipe.send([server.sockets[0].getsockname()[1] for server in listening])

    def die(number: int) -> None:
        listening[number].close()
        for transport in list(connections[number]):
            transport.abort()

    def start() -> None:
        loop.remove_reader(pipe.fileno())
        for number, seconds in deaths.items():
            loop.call_later(seconds, die, number)

    loop.add_reader(pipe.fileno(), start)
    await asyncio.Event().wait()


def _run(pipe: Connection, servers: int, median: float, deaths: Mapping[int, float]) -> None:
    asyncio.run(_serve(pipe, servers, median, deaths))


@contextlib.contextmanager
def fleet(
    servers: int = 1, median: float = 0.0, deaths: Mapping[int, float] | None = None
) -> Iterator[tuple[Sequence[str], Connection]]:
    """The base URLs of so many servers, and a pipe. What is sent through it starts the clock of `deaths`: the seconds after
    which a server (by its number) closes its connections and never comes back."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, servers, median, deaths or {}), daemon=True)
    process.start()
    try:
        yield [f"http://127.0.0.1:{port}/v1" for port in ours.recv()], ours
    finally:
        process.terminate()
        process.join()
