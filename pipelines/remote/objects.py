"""The objects of a workspace in an S3 store, by their names below its address: read, written, listed, replaced on condition.

One object is written whole or not at all, and a reader sees the old one or the new one. `swap` writes only over what was
read before (If-Match) or where nothing is (If-None-Match), which is all that leases and pointers need.
"""

import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.remote.address import Address
from pipelines.remote.trouble import ChangedError, GoneError, sentences
from schemas.errors import MissingDependencyError

AT_ONCE = 1000
"""Objects that one request deletes."""


@dataclass(frozen=True)
class Found:
    """An object in a list: its bytes, what tells it from others of its name, and its age in seconds by the store's clock."""

    size: int
    etag: str
    age: float


class Objects:
    """The objects below an address. Nothing is connected to before the first use; any thread may use it."""

    def __init__(self, address: Address) -> None:
        self.address = address

    @cached_property
    def files(self) -> Any:
        """The store as an fsspec file system. Raises MissingDependencyError."""
        try:
            from s3fs import S3FileSystem
        except ImportError:
            raise MissingDependencyError("s3fs", "s3", "A workspace at s3://") from None
        return S3FileSystem(use_listings_cache=False, skip_instance_cache=True)

    def get(self, name: str) -> tuple[bytes, Found]:
        """The bytes of an object. Raises GoneError."""
        with sentences(self.address):
            found = self._call("get_object", Key=self.address.key(name), read=True)
            return found["Body"], Found(len(found["Body"]), found["ETag"], _age(found, found["LastModified"]))

    def fetch(self, name: str, path: Path) -> None:
        """Write an object to a file, whose name it gets when it is whole. Raises GoneError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.{os.getpid()}.tmp")
        try:
            with sentences(self.address):
                self.files.get_file(self._path(name), str(temporary))
            temporary.replace(path)
        except OSError as error:
            if error.errno is None or error.filename is not None:
                raise
            raise OSError(error.errno, error.strerror, str(path)) from error  # where the disk is full, say
        finally:
            temporary.unlink(missing_ok=True)

    def send(self, name: str, path: Path) -> None:
        """Write a file as an object."""
        with sentences(self.address):
            self.files.put_file(str(path), self._path(name))

    def put(self, name: str, data: bytes) -> None:
        with sentences(self.address):
            self._call("put_object", Key=self.address.key(name), Body=data)

    def swap(self, name: str, data: bytes, etag: str | None) -> str:
        """Write an object over the one of that etag, or where there is none; the new etag. Raises ChangedError, also where
        that one was deleted.

        Where the answer was lost on its way, the client asked again and met what it had written itself: `data`, which
        nobody else writes.
        """
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            with sentences(self.address):
                try:
                    return str(self._call("put_object", Key=self.address.key(name), Body=data, **condition)["ETag"])
                except FileExistsError as error:
                    raise error.__cause__ or error from None
        except (ChangedError, GoneError) as error:
            with suppress(GoneError):
                written, found = self.get(name)
                if written == data:
                    return found.etag
            raise ChangedError from error

    def span(self, name: str, start: int, end: int) -> bytes:
        """Some bytes of an object. Raises GoneError."""
        with sentences(self.address):
            found = self._call("get_object", Key=self.address.key(name), Range=f"bytes={start}-{end - 1}", read=True)
            return bytes(found["Body"])

    def list(self, folder: str, *, deep: bool = False) -> dict[str, Found]:
        """The objects of a folder by their names in it, and with `deep` those of all folders below it."""
        prefix, found, more = self.address.key(f"{folder}/"), dict[str, Found](), dict[str, Any]()
        flat: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        while True:
            with sentences(self.address):
                page = self._call("list_objects_v2", Prefix=prefix, **flat, **more)
            for one in page.get("Contents", ()):
                name = one["Key"].removeprefix(prefix)
                if not _is_plain(name):  # nobody's here, and a path that leads elsewhere
                    continue
                found[name] = Found(one["Size"], one["ETag"], _age(page, one["LastModified"]))
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def beginning(self, start: str) -> str | None:
        """The name of the first object whose name begins so."""
        with sentences(self.address):
            page = self._call("list_objects_v2", Prefix=self.address.key(start), MaxKeys=1)
        keys = [one["Key"] for one in page.get("Contents", ())]
        return keys[0].removeprefix(self.address.key("")) if keys and _is_plain(keys[0]) else None

    def move(self, name: str, to: str) -> None:
        """Give an object another name; nothing happens where it is gone."""
        with suppress(GoneError), sentences(self.address):
            self.files.mv(self._path(name), self._path(to))

    def delete(self, names: Iterable[str], check: Callable[[], None] = lambda: None) -> None:
        """Delete objects; those that are gone already do not matter."""
        keys = [{"Key": self.address.key(name)} for name in names]
        for start in range(0, len(keys), AT_ONCE):
            check()
            with sentences(self.address):
                self._call("delete_objects", Delete={"Objects": keys[start : start + AT_ONCE], "Quiet": True})

    def _path(self, name: str) -> str:
        return f"{self.address.bucket}/{self.address.key(name)}"

    def _call(self, method: str, *, read: bool = False, **options: Any) -> dict[str, Any]:
        if not read:
            return self.files.call_s3(method, Bucket=self.address.bucket, **options)  # type: ignore[no-any-return]
        from fsspec.asyn import sync

        return sync(self.files.loop, self._read, method, options)  # type: ignore[no-any-return]

    async def _read(self, method: str, options: dict[str, Any]) -> dict[str, Any]:
        found = await self.files._call_s3(method, Bucket=self.address.bucket, **options)
        async with found["Body"] as body:
            return {**found, "Body": await body.read()}


def _is_plain(name: str) -> bool:
    return not {"", ".", ".."} & set(name.split("/"))


def _age(response: Any, written: Any) -> float:
    """Seconds since an object was written, both by the clock of the store."""
    now = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    return float((parsedate_to_datetime(now) - written).total_seconds()) if now else 0.0
