"""A fleet of chat servers on loopback, in a process of its own: instant, or with log-normal times; some die, some come back.

One process listens on a port for each server, so that a client meets a fleet and the machine has one more busy core.
"""

import asyncio
import contextlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from schemas.ids import seeded

MEDIAN_S, SIGMA = 1.0, 0.7
"""Of the log-normal times; about those of short replies of a hosted model."""

SLOWER, LONGEST = 5.0, 12.0
"""How many times as long a straggler takes, and how many times the median the longest of all: replies have a limit."""

SAMPLE_S = 0.25
"""How often the servers note how many requests they hold."""

Fault = Literal["busy", "error", "cut", "garbage"]
FAULTS: tuple[Fault, ...] = ("busy", "error", "cut", "garbage")
"""A 429 or a 500 at once, a connection that is cut after half of the time, a page of HTML after all of it."""

_CHOICE = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "It is a red circle. " * 10},
}
_USAGE = {"prompt_tokens": 50, "completion_tokens": 60, "total_tokens": 110}
_REPLY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [_CHOICE], "usage": _USAGE}
_MODELS = {"object": "list", "data": [{"id": "m", "object": "model"}]}

Outage = tuple[float, float]
"""From when to when a server is away, in seconds after the start; its end may be infinite."""


@dataclass(frozen=True)
class Load:
    """How servers take what they are asked. `median` of 0: every answer at once."""

    median: float = 0.0
    stragglers: float = 0.0
    faults: float = 0.0
    texts: tuple[str, ...] = ()
    """Of replies, in place of one short one; those of a prompt are some of them."""
    n: int = 1

    def seconds(self, content: str) -> float:
        """What a server takes for a prompt: the same whenever it is asked."""
        slow = self.stragglers and seeded(4, content).random() < self.stragglers
        return min(latency(content, self.median) * (SLOWER if slow else 1.0), LONGEST * self.median)

    def reply(self, content: str) -> bytes:
        """`n` replies to a prompt."""
        if not self.texts:
            return REPLY
        first = seeded(5, content).randrange(len(self.texts))
        texts = [self.texts[(first + place) % len(self.texts)] for place in range(self.n)]
        choices = [{**_CHOICE, "index": i, "message": {"role": "assistant", "content": t}} for i, t in enumerate(texts)]
        return _http({**_REPLY, "choices": choices})

    def fault(self, content: str, attempt: int) -> Fault | None:
        """How a prompt fails at its so manieth time."""
        chance = seeded(3, f"{content}:{attempt}")
        return chance.choice(FAULTS) if self.faults and chance.random() < self.faults else None


def latency(content: str, median: float = MEDIAN_S) -> float:
    """Seconds that a server takes for a prompt, stragglers apart."""
    return median * seeded(2, content).lognormvariate(0.0, SIGMA)


def _http(body: object, status: str = "200 OK") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % (
            status.encode(),
            len(data),
        )
        + data
    )


REPLY, MODELS, GARBAGE = _http(_REPLY), _http(_MODELS), _http(b"<html>a page of a proxy</html>")
REFUSED = {
    "busy": _http({"error": {"message": "slow down"}}, "429 Too Many Requests"),
    "error": _http({"error": {"message": "oops"}}, "500 Internal Server Error"),
}


class _Fleet:
    """What the servers of one process share."""

    def __init__(self, servers: int, load: Load) -> None:
        self.load = load
        self.open = [set[asyncio.Transport]() for _ in range(servers)]
        self.busy = [0] * servers
        self.asked: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.held: list[tuple[float, list[int]]] = []
        self.began = self.ended = 0.0


class _Server(asyncio.Protocol):
    """One connection to a server of a fleet."""

    def __init__(self, fleet: _Fleet, number: int) -> None:
        self.fleet, self.number = fleet, number
        self.held, self.at_work, self.last = b"", False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.fleet.open[self.number].add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.fleet.open[self.number].discard(self.transport)
        self._end()

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, end, body = self.held.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        self.last = b"connection: close" in head
        if head.startswith(b"get"):
            self.held = b""
            self._send(MODELS)
            return
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.held = b""
        if not self.fleet.load.median:
            self._send(self.fleet.load.reply(body.decode()))
            return
        content = json.loads(body)["messages"][-1]["content"]
        self._answer(content if isinstance(content, str) else "".join(part["text"] for part in content))

    def _answer(self, content: str) -> None:
        fleet = self.fleet
        fleet.began = fleet.began or time.monotonic()
        fleet.facts["requests"] += 1
        fault = fleet.load.fault(content, fleet.asked[content]) if fleet.load.faults else None
        fleet.asked[content] += 1
        if fault in REFUSED:
            fleet.facts[fault] += 1
            self._send(REFUSED[fault])
            return
        fleet.busy[self.number] += 1
        self.at_work = True
        seconds = fleet.load.seconds(content) * (0.5 if fault == "cut" else 1.0)
        asyncio.get_running_loop().call_later(seconds, self._finish, content, fault)

    def _finish(self, content: str, fault: Fault | None) -> None:
        if not self.at_work:  # it died meanwhile
            return
        self._end()
        self.fleet.facts[fault or "given"] += 1
        if fault == "cut":
            self.transport.abort()
        else:
            self._send(GARBAGE if fault == "garbage" else self.fleet.load.reply(content))
            self.fleet.ended = time.monotonic()

    def _send(self, reply: bytes) -> None:
        self.transport.write(reply)
        if self.last:
            self.transport.close()

    def _end(self) -> None:
        self.fleet.busy[self.number] -= self.at_work
        self.at_work = False


async def _serve(pipe: Connection, servers: int, load: Load, outages: Mapping[int, Outage]) -> None:
    loop, fleet, ended = asyncio.get_running_loop(), _Fleet(servers, load), asyncio.Event()

    async def listen(number: int, port: int = 0) -> asyncio.Server:
        return await loop.create_server(lambda: _Server(fleet, number), "127.0.0.1", port, backlog=1024)

    listening = [await listen(number) for number in range(servers)]
    ports = [server.sockets[0].getsockname()[1] for server in listening]
    pipe.send(ports)
    tasks = set[asyncio.Task[Any]]()

    async def be_away(number: int, since: float, until: float) -> None:
        await asyncio.sleep(since)
        listening[number].close()
        for transport in list(fleet.open[number]):
            transport.abort()
        if until != float("inf"):
            await asyncio.sleep(until - since)
            listening[number] = await listen(number, ports[number])

    async def note() -> None:
        began = time.monotonic()
        while True:
            fleet.held.append((time.monotonic() - began, list(fleet.busy)))
            await asyncio.sleep(SAMPLE_S)

    def heard() -> None:
        if pipe.recv():
            tasks.update(asyncio.create_task(be_away(number, *outage)) for number, outage in outages.items())
            tasks.add(asyncio.create_task(note()))
        else:
            ended.set()

    loop.add_reader(pipe.fileno(), heard)
    await ended.wait()
    pipe.send(({**fleet.facts, "seconds": fleet.ended - fleet.began}, fleet.held))
    loop.remove_reader(pipe.fileno())


def _run(pipe: Connection, servers: int, load: Load, outages: Mapping[int, Outage]) -> None:
    with contextlib.suppress(EOFError):  # whoever asked has gone
        asyncio.run(_serve(pipe, servers, load, outages))


@contextlib.contextmanager
def fleet(
    servers: int = 1, load: Load | None = None, outages: Mapping[int, Outage] | None = None
) -> Iterator[tuple[Sequence[str], Connection]]:
    """The base URLs of so many servers, and a pipe. A true value that is sent through it starts the clock of `outages`:
    from when to when a server (by its number) is away, with what it was at. A false one ends the fleet, which then sends how
    often each thing happened and the seconds from the first request to the last answer, and at which times how many requests
    each server held."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, servers, load or Load(), outages or {}), daemon=True)
    process.start()
    try:
        yield [f"http://127.0.0.1:{port}/v1" for port in ours.recv()], ours
    finally:
        process.terminate()
        process.join()
