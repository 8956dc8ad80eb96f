"""What processes of all machines are about to ask: a claim is an object, and counts while the lease beside it does.

claims/door.json                  who is making a claim now
claims/claim-<owner>-….parquet    what is claimed (`pipelines.store.claims`)
claims/claim-<owner>-….json       its lease
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.remote.head import Head, HeldError
from pipelines.remote.transfer import Transfer
from pipelines.remote.trouble import GoneError

_DOOR = "door.json"
_TURN_SECONDS = 0.2

IsDead = Callable[[str], bool]


class PublishedClaims:
    """The claims of all machines on the completions log of a workspace."""

    def __init__(self, copy: Transfer) -> None:
        self._copy = copy
        self._own: set[str] = set()
        self._folder = copy.state / "claims"

    @contextmanager
    def door(self, owner: str, is_dead: IsDead) -> Iterator[None]:
        """Be the one who makes a claim; whoever comes next waits. What others have sent to the log meanwhile is seen."""
        head = Head(self._copy.objects, f"claims/{_DOOR}", is_dead)
        while True:
            with suppress(HeldError):
                head.take(owner, uuid.uuid4().hex)
                break
            time.sleep(random.uniform(0.5, 1.5) * _TURN_SECONDS)
        try:
            self._copy.forget()
            yield
        finally:
            head.release()

    @contextmanager
    def held(self, claim: Path, owner: str) -> Iterator[None]:
        """Have a claim count for the others too."""
        name = f"claims/{claim.stem}"
        head = Head(self._copy.objects, f"{name}.json")
        self._copy.objects.send(f"{name}.parquet", claim)
        head.take(owner, uuid.uuid4().hex)
        self._own.add(claim.stem)
        try:
            yield
        finally:
            self._own.discard(claim.stem)
            head.release()
            self._copy.objects.delete([f"{name}.json", f"{name}.parquet"])

    def others(self, here: Path, is_dead: IsDead) -> list[Path]:
        """The claims of other machines whose owners live, as files. Those of the dead are removed.

        Claims in the folder `here` are known already.
        """
        found = []
        for name in self._copy.objects.list("claims"):
            stem = name.removesuffix(".json")
            if name in (_DOOR, stem) or (here / f"{stem}.parquet").is_file() or stem in self._own:
                continue
            path = self._folder / f"{stem}.parquet"
            if not self.is_held(path, is_dead):
                self._copy.objects.delete([f"claims/{stem}.json", f"claims/{stem}.parquet"])
                continue
            with suppress(GoneError):  # its owner is done by now
                self._copy.objects.fetch(f"claims/{stem}.parquet", path)
                found.append(path)
        return found

    def is_one(self, path: Path) -> bool:
        """Whether a file is the claim of another machine."""
        return path.parent == self._folder

    def is_held(self, path: Path, is_dead: IsDead) -> bool:
        """Whether the owner of a claim of another machine still has it, after a look at whether he lives."""
        return Head(self._copy.objects, f"claims/{path.stem}.json", is_dead).is_held()

    def is_there(self, path: Path) -> bool:
        """Whether a claim of another machine is there; its owner may be dead."""
        return Head(self._copy.objects, f"claims/{path.stem}.json").read().owner is not None
