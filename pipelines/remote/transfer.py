"""Files of a workspace on their way: from an object store to this machine when they are first read, and there when they are
whole."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

from pipelines.remote.address import Address
from pipelines.remote.objects import Found, Objects
from pipelines.remote.outbox import Outbox
from pipelines.remote.ranged import Ranged
from pipelines.remote.trouble import GoneError
from schemas.errors import StoreError

AT_ONCE = 16
"""Objects that are fetched or sent at once."""

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class Transfer:
    """Between the store at `address` and the folder `root`, in which files have the names that they have in the store."""

    def __init__(self, address: Address, root: Path) -> None:
        self.address, self.root = address, root
        self.objects = Objects(address)
        self.state = root / ".remote"
        self.outbox = Outbox(self.state / "outbox")
        self._guard = threading.RLock()
        self._listed: dict[str, dict[str, Found]] = {}

    def name(self, path: Path) -> str:
        """What a file of the working copy is called in the store.

        Raises StoreError for one that lies elsewhere, as a record or a manifest that others wrote may say.
        """
        if ".." in path.parts or not path.is_relative_to(self.root):
            raise StoreError(
                f"{self.address} names a file outside of the workspace, {path}: nothing is fetched there. Whoever can write "
                "to the bucket may have changed it."
            )
        return path.relative_to(self.root).as_posix()

    def there(self, folder: Path, *, deep: bool = False) -> dict[str, Found]:
        """What lies in a folder of the store, as far as this process has seen (`forget`); with `deep` what lies below it."""
        name = self.name(folder)
        if deep:
            return self.objects.list(name, deep=True)
        with self._guard:
            if name not in self._listed:
                self._listed[name] = self.objects.list(name)
            return self._listed[name]

    def forget(self) -> None:
        """Look again at what others have sent."""
        with self._guard:
            self._listed.clear()

    def both(self, folder: Path, here: Iterable[Path], fits: Callable[[str], bool]) -> list[Path]:
        """The files of a folder that lie here, and those that lie in the store."""
        return sorted({*here, *(folder / name for name in self.there(folder) if fits(name))})

    def size(self, path: Path) -> int | None:
        """The bytes of a file that lies in the store; None where it does not."""
        found = self.there(path.parent).get(path.name)
        return None if found is None else found.size

    def fetch(self, path: Path) -> bool:
        """Bring a file here, unless it is; whether it is."""
        if not path.is_file():
            try:
                self.objects.fetch(self.name(path), path)
            except GoneError:
                return False
        return True

    def fetch_again(self, path: Path) -> bool:
        """Bring a file here anew, because it is not what was written; whether it is another one now."""
        before = path.read_bytes() if path.is_file() else None
        fresh = path.with_name(f".{path.name}.again.tmp")
        try:
            self.objects.fetch(self.name(path), fresh)
            if fresh.read_bytes() == before:
                return False
            fresh.replace(path)
        except GoneError:
            return False
        finally:
            fresh.unlink(missing_ok=True)
        logger.warning("%s was damaged, and is fetched anew from %s.", path, self.address)
        return True

    def fetch_like(self, start: Path) -> Path | None:
        """Bring the file here whose name begins so."""
        found = self.objects.beginning(self.name(start))
        path = None if found is None else self.root / found
        return path if path is not None and path.parent == start.parent and self.fetch(path) else None

    def opened(self, path: Path) -> BinaryIO:
        """A file that lies in the store, to read pieces of it. Raises FileNotFoundError."""
        size = self.size(path)
        if size is None:
            raise FileNotFoundError(str(path))
        return Ranged(self.objects, self.name(path), size)  # type: ignore[return-value]

    def owe(self, path: Path) -> None:
        """Note that a file is about to get its name here, and has to be sent."""
        self.outbox.add(self.name(path))

    def pay(self) -> None:
        """Send what has to be sent; when this returns it is in the store.

        Raises StoreError, and what is left stays noted.
        """

        def send(name: str) -> None:
            path = self.root / name
            if not path.is_file():  # whoever noted it is about to give it its name
                return
            try:
                self.objects.send(name, path)
            except GoneError:
                if path.is_file():
                    raise
                return  # set aside meanwhile
            self.outbox.done(name)

        self.each(send, self.outbox.names())

    def each(self, do: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Do something for many objects at once. Raises what the first of them raises."""
        items = list(items)
        if len(items) < 2:
            for item in items:
                do(item)
            return
        pool = ThreadPoolExecutor(AT_ONCE, "objects")
        try:
            for _ in pool.map(do, items):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def set_aside(self, path: Path, aside: Path) -> None:
        """Give a damaged file another name in the store too."""
        self.objects.move(self.name(path), self.name(aside))
        self.forget()
