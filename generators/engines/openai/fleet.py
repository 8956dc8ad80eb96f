"""Several servers of one model: who takes the next request, and who is left alone for a while."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.errors import PermanentEngineError, TransientEngineError

FIRST_S, BENCH_S = 0.5, 30.0
"""Seconds for which a server that did not answer is passed over, while others do: at first, and at most. They double with
each failure in a row, so that one lost request costs little and a server that comes back is soon found."""


@dataclass(slots=True)
class Server:
    """One server: its URL, sequences in flight, until when it is passed over, and what it was seen to lack.

    `failures` came in a row, the last one at `failed_at`. One that is `silent` kept a request until its time was over: it
    gets one at a time (`trying`) until it answers.
    """

    url: str
    load: int = 0
    benched_until: float = 0.0
    failures: int = 0
    failed_at: float = float("-inf")
    silent: bool = False
    trying: bool = False
    limit_name: str = "max_tokens"

    @property
    def label(self) -> str:
        """The URL as it may be shown: without user name, password and query."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


class Fleet:
    """Balances by load: a request goes to the server with the fewest sequences in flight that has room for it. Requests that
    wait for room get it in the order in which they came."""

    def __init__(self, urls: Sequence[str], limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit`: most sequences in flight on each server."""
        self.servers = [Server(url) for url in urls]
        self._limit = limit
        self._clock = clock
        self._waiting: deque[tuple[int, asyncio.Future[Server]]] = deque()

    @asynccontextmanager
    async def room(self, sequences: int) -> AsyncIterator[Server]:
        """A server with room for `sequences` (or idle, if they are more than its limit), held while the block runs.

        Raises:
            TransientEngineError: all servers are passed over; says for how long.
        """
        server = await self._place(sequences)
        since = self._clock()
        try:
            yield server
        except PermanentEngineError:
            self._heard(server, since)
            raise
        else:
            self._heard(server, since)
        finally:
            server.load -= sequences
            server.trying = False
            self._hand_out()

    def bench(self, server: Server, seconds: float | None = None, *, silent: bool = False) -> None:
        """Pass over `server` for a while, `seconds` where it says so. A fleet of one keeps it: the driver's backoff
        is the only wait then. What was in flight when it failed fails with it, and counts as one failure."""
        if len(self.servers) < 2:
            return
        now = self._clock()
        server.silent = server.silent or silent
        if seconds is not None:
            server.benched_until = max(server.benched_until, now + seconds)
        elif server.benched_until <= now:
            server.benched_until = now + min(BENCH_S, FIRST_S * 2.0 ** min(server.failures, 10))
            server.failures += 1
        server.failed_at = now
        asyncio.get_running_loop().call_later(server.benched_until - now, self._hand_out)

    def passes_over(self, server: Server) -> bool:
        """Whether `server` is passed over now while another one is not."""
        now = self._clock()
        return server.benched_until > now and any(s.benched_until <= now for s in self.servers)

    def _heard(self, server: Server, since: float) -> None:
        """It answered what it was asked at a time: it does not hang, and what failed before that time is past."""
        server.silent = False
        if since >= server.failed_at:
            server.failures = 0

    async def _place(self, sequences: int) -> Server:
        """A server that holds so many sequences more from now on."""
        server = None if self._waiting else self._pick(sequences)
        if server is not None:
            return _take(server, sequences)
        place: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
        self._waiting.append((sequences, place))
        self._hand_out()  # those before it may have been waiting for a bench to end
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                place.result().load -= sequences
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        """Give those that wait the room that there is."""
        while self._waiting:
            sequences, place = self._waiting[0]
            if not place.done():
                try:
                    server = self._pick(sequences)
                except TransientEngineError as error:
                    place.set_exception(error)
                else:
                    if server is None:
                        return
                    place.set_result(_take(server, sequences))
            self._waiting.popleft()

    def _pick(self, sequences: int) -> Server | None:
        now = self._clock()
        up = [s for s in self.servers if s.benched_until <= now]
        if not up:
            wait = min(s.benched_until for s in self.servers) - now
            raise TransientEngineError(f"none of the {len(self.servers)} servers answers", retry_after=wait)
        free = [s for s in up if (s.load + sequences <= self._limit or s.load == 0) and not (s.silent and s.trying)]
        return min(free, key=lambda s: s.load, default=None)


def _take(server: Server, sequences: int) -> Server:
    server.load += sequences
    server.trying = server.silent
    return server
