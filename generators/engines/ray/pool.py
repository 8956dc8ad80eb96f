"""The replicas that are up: who takes the next request, while replicas come and go. Knows nothing of Ray."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from schemas.engine import CacheUse

SLACK = 0.25
"""Share of its limit by which a replica may be ahead of the least loaded one and still get what starts as its last."""

STARTS = 65_536
"""Starts of prompts of which it is remembered who had them."""


@dataclass(eq=False, slots=True)
class Replica:
    """`limit`: most sequences in flight. `alone`: it takes one request and nothing beside it. `answers` counts calls,
    `cache` what its caches held of them."""

    actor: Any
    limit: int
    load: int = 0
    alone: bool = False
    answers: int = 0
    cache: CacheUse = field(default_factory=CacheUse)


class Pool:
    """Balances by load: a request goes to the replica with the fewest sequences in flight that has room for it, or to the
    one that had the same start last, unless that one is far ahead: it has computed the start (and its images) already."""

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self._last: OrderedDict[Hashable, Replica] = OrderedDict()
        self._changed = asyncio.Event()
        self._broken: Exception | None = None

    @property
    def limit(self) -> int:
        """Sequences that all replicas take at once."""
        return sum(replica.limit for replica in self.replicas)

    def add(self, replica: Replica) -> None:
        self.replicas.append(replica)
        self._changed.set()

    def drop(self, replica: Replica) -> None:
        """Give a replica nothing more. Dropping it again does nothing."""
        if replica in self.replicas:
            self.replicas.remove(replica)
            self._last = OrderedDict((start, who) for start, who in self._last.items() if who is not replica)
            self._changed.set()

    def fail(self, error: Exception) -> None:
        """Raise `error` to all who wait for a replica, and to all who come."""
        self._broken = self._broken or error
        self._changed.set()

    @asynccontextmanager
    async def room(self, sequences: int, start: Hashable, *, alone: bool = False) -> AsyncIterator[Replica]:
        """A replica with room for `sequences` (or an idle one, if they are more than its limit), held while the block runs.
        Waits where there is none. `alone`: one that has nothing else in flight meanwhile.

        Raises:
            Exception: what `fail` was given.
        """
        replica = await self._found(sequences, start, alone)
        replica.load += sequences
        try:
            yield replica
        finally:
            replica.load -= sequences
            replica.alone = replica.alone and not alone
            self._changed.set()

    async def first(self) -> None:
        """Return when there is a replica. Raises what `fail` was given."""
        while not self.replicas:
            await self._change()

    async def _found(self, sequences: int, start: Hashable, alone: bool) -> Replica:
        kept: Replica | None = None
        while True:
            if alone and (kept is None or kept not in self.replicas):
                kept = min((r for r in self.replicas if not r.alone), key=lambda r: r.load, default=None)
                if kept is not None:
                    kept.alone = True  # nothing more goes there
            found = kept if alone else self._pick(sequences, start)
            if found is not None and not (alone and found.load):
                return found
            try:
                await self._change()
            except BaseException:
                if kept is not None:
                    kept.alone = False
                raise

    async def _change(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._changed.clear()
        await self._changed.wait()
        if self._broken is not None:
            raise self._broken

    def _pick(self, sequences: int, start: Hashable) -> Replica | None:
        free = [r for r in self.replicas if not r.alone and (r.load + sequences <= r.limit or r.load == 0)]
        if not free:
            return None
        least = min(free, key=lambda r: r.load / r.limit)
        last = self._last.get(start)
        if last is not None and last in free and last.load / last.limit <= least.load / least.limit + SLACK:
            least = last
        self._last[start] = least
        self._last.move_to_end(start)
        if len(self._last) > STARTS:
            self._last.popitem(last=False)
        return least
