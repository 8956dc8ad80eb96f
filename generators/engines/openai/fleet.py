"""Several servers of one model: who takes the next request, and who is left alone for a while."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.errors import TransientEngineError

BENCH_S = 30.0
"""Seconds for which a server that did not answer is passed over, while others do."""


@dataclass(slots=True)
class Server:
    """One server: its URL, sequences in flight, until when it is passed over, and what it was seen to lack."""

    url: str
    load: int = 0
    benched_until: float = 0.0
    limit_name: str = "max_tokens"

    @property
    def label(self) -> str:
        """The URL as it may be shown: without user name, password and query."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


class Fleet:
    """Balances by load: a request goes to the server with the fewest sequences in flight that has room for it."""

    def __init__(self, urls: Sequence[str], limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit`: most sequences in flight on each server."""
        self.servers = [Server(url) for url in urls]
        self._limit = limit
        self._clock = clock
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def room(self, sequences: int) -> AsyncIterator[Server]:
        """A server with room for `sequences` (or idle, if they are more than its limit), held while the block runs.

        Raises:
            TransientEngineError: all servers are passed over; says for how long.
        """
        while (server := self._pick(sequences)) is None:
            self._freed.clear()
            await self._freed.wait()
        server.load += sequences
        try:
            yield server
        finally:
            server.load -= sequences
            self._freed.set()

    def bench(self, server: Server, seconds: float = BENCH_S) -> None:
        """Pass over `server` for a while. A fleet of one keeps it: the driver's backoff is the only wait then."""
        if len(self.servers) > 1:
            server.benched_until = self._clock() + seconds

    def passes_over(self, server: Server) -> bool:
        """Whether `server` is passed over now while another one is not."""
        now = self._clock()
        return server.benched_until > now and any(s.benched_until <= now for s in self.servers)

    def _pick(self, sequences: int) -> Server | None:
        now = self._clock()
        up = [s for s in self.servers if s.benched_until <= now]
        if not up:
            wait = min(s.benched_until for s in self.servers) - now
            raise TransientEngineError(f"none of the {len(self.servers)} servers answers", retry_after=wait)
        free = [s for s in up if s.load + sequences <= self._limit or s.load == 0]
        return min(free, key=lambda s: s.load, default=None)
