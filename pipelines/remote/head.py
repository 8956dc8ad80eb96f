"""A head: the one object that says who holds something and what was published of it, such as the record of a build.

It is only ever replaced on condition that it is still the one that was read, so the same write that publishes proves that
nobody has taken over: a holder who was away for too long cannot publish, whatever he believes (a lease with fencing). It
counts beats and tells no times: whoever wants it watches, for as long as a lease lasts, whether a beat comes, so clocks that
differ or jump do no harm.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from pipelines.remote.objects import Objects
from pipelines.remote.trouble import ChangedError, GoneError
from schemas.errors import CurateError, StoreError

BEAT = 5.0
LEASE = 30.0
LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)

_HELD: set[str] = set()
"""The tokens of what this process holds now."""


@dataclass(frozen=True)
class State:
    """What a head says: its `owner` (None: nobody), who got a `token` of his own with it; and what is published."""

    owner: str | None = None
    token: str = ""
    beat: int = 0
    record: str | None = None

    def packed(self) -> bytes:
        return json.dumps({**asdict(self), "lease_seconds": LEASE}).encode()

    @classmethod
    def read(cls, data: bytes) -> "State | None":
        """None for what no curate wrote."""
        try:
            found = json.loads(data)
            read = cls(found["owner"], found["token"], found["beat"], found["record"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        texts = (read.owner or "", read.token, read.record or "")
        return read if all(isinstance(text, str) for text in texts) and type(read.beat) is int else None


class HeldError(Exception):
    """Somebody else holds it; its text is that owner."""


class Head:
    """The head in the object `name`. `is_dead` says of an owner whether it is known that he no longer lives."""

    def __init__(self, objects: Objects, name: str, is_dead: Callable[[str], bool] = lambda owner: False) -> None:
        self._objects, self._name, self._is_dead = objects, name, is_dead
        self._state = State()
        self._etag = ""
        self._guard = threading.RLock()
        self._ended = threading.Event()
        self._lost = False

    def read(self) -> State:
        """What it says now."""
        return self._read()[0]

    @property
    def record(self) -> str | None:
        """What is published, by the head that is held."""
        return self._state.record

    def take(self, owner: str, token: str) -> None:
        """Hold it until `release`. Raises HeldError where another does, after a look at whether he lives."""
        while True:
            found, etag, age = self._read()
            if found.owner is not None and self._lives(found, etag, age):
                raise HeldError(found.owner)
            self._state = replace(found, owner=owner, token=token, beat=found.beat + 1)
            try:
                self._etag = self._objects.swap(self._name, self._state.packed(), etag)
            except ChangedError:  # another was first
                continue
            break
        self._lost = False
        self._ended.clear()
        _HELD.add(token)
        threading.Thread(target=self._beats, name=f"lease of {self._name}", daemon=True).start()

    def publish(self, record: str) -> None:
        """Make a record the published one. Raises StoreError where somebody else has taken over."""
        self._write(record=record)

    def check(self) -> None:
        """Raise StoreError where somebody else has taken over."""
        self._write()

    def release(self) -> None:
        """Let go of it; where the store is away, others wait until the lease is over."""
        self._ended.set()
        _HELD.discard(self._state.token)
        if not self._lost:
            try:
                self._write(owner=None)
            except CurateError as error:
                logger.debug("%s is let go when its lease is over: %s", self._name, error)

    def is_held(self) -> bool:
        """Whether another holds it, after a look at whether he lives."""
        found, etag, age = self._read()
        return found.owner is not None and self._lives(found, etag, age)

    def _read(self) -> tuple[State, str | None, float]:
        try:
            data, found = self._objects.get(self._name)
        except GoneError:
            return State(), None, 0.0
        state = State.read(data)
        if state is None:
            raise StoreError(
                f"{self._name} in {self._objects.address} is damaged: it does not say who holds it. Delete that object and "
                "run the same command again: what was answered lies in the log."
            )
        return state, found.etag, found.age

    def _lives(self, found: State, etag: str | None, age: float) -> bool:
        """Whether a beat comes before the lease is over; the store's clock says how much of it is, and two beats are
        waited for whatever it says."""
        assert found.owner is not None
        if found.token in _HELD:
            return True
        if self._is_dead(found.owner):
            return False
        left = min(LEASE, max(LEASE - age, 2 * BEAT))
        logger.warning("Waiting for %s, which holds %s, for %.0f s at most.", found.owner, self._name, left)
        until = time.monotonic() + left
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            now, seen, _ = self._read()
            if now.owner is None:
                return False
            if seen != etag:
                return True
        return False

    def _beats(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                self._write()
            except CurateError as error:  # told where something is published
                logger.debug("A beat of %s was lost: %s", self._name, error)
                if self._lost:
                    return

    def _write(self, **change: str | None) -> None:
        """Replace it while it is ours. Where it is not what was written last, it may still be: a write of which nothing was
        heard, as the store went away, has arrived."""
        with self._guard:
            state = replace(self._state, **change, beat=self._state.beat + 1)  # type: ignore[arg-type]
            while not self._lost:
                try:
                    self._etag = self._objects.swap(self._name, state.packed(), self._etag)
                except ChangedError:
                    found, etag, _ = self._read()
                    self._lost = found.token != state.token or etag is None
                    self._etag = etag or ""
                    continue
                self._state = state
                return
        raise StoreError(
            f"{self._name} in {self._objects.address} was taken over by another process, as this one was not heard of for "
            f"{LEASE:.0f} s. Nothing is lost; run the same command again."
        )
