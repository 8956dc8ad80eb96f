"""The images of a source on their way into the media store: each read, decoded and stored once, in several threads."""

import base64
import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from pipelines.ingest.image_file import ImageFaultError, ImageLimits, UsableImage, decoding, read_image
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.media import MediaStore
from pipelines.store.memory import Memory, cores
from pipelines.store.room import Room
from schemas.ids import canonical_json

REMEMBERED = 100_000
"""How many images' outcomes are remembered, so that rows that share an image do not read it again."""

_REMOTE = re.compile(r"\s*(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_SHORTEST = 64
"""Letters of base64 that are taken for an image and not for a name, as VLMEvalKit has it."""
_BASE64 = re.compile(
    r"\s*(iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk[0-9A-Za-z+/]{2}|SUkqA|TU0AK|AAAA[0-9A-Za-z+/]{2}Z0eXB)[\w+/=\s-]*$"
)
"""Base64 that begins like a PNG, JPEG, GIF, WebP, BMP, TIFF or AVIF file."""

_LONG = 500
"""Paths longer than this are known by their hash and shown cut short."""

Reference = Mapping[str, Any]
"""An image as a source gives it: `bytes`, or a `path` (relative to the source's folder, absolute, or a `data:`
address), or (an error) neither."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A stored image: its entry for `Sample.media`, and the sha256 of the bytes as the source gave them."""

    media: dict[str, Any]
    origin: str


class ImageLoader:
    """Takes images for one source. A context manager: leaving it ends its threads."""

    def __init__(
        self,
        folders: Sequence[Path],
        store: MediaStore,
        limits: ImageLimits,
        max_bytes: int,
        threads: int | None = None,
        memory: int | None = None,
    ) -> None:
        """`folders` are those that a row may name an image of; relative paths start from the first. Of `memory` (bytes; by
        default a share of what is free) a half is for the files that threads read, a half for what they decode."""
        memory = memory or Memory().bytes // 2
        at_once = max(1, memory // 2 // max_bytes)
        self._room = Room(memory // 2)
        self._folders = folders
        self._store = store
        self._limits = limits
        self._max_bytes = max_bytes
        self._known: dict[str, Taken | ImageFaultError] = {}
        self._pool = ThreadPoolExecutor(min(threads or cores(), at_once), thread_name_prefix="decode")

    def __enter__(self) -> "ImageLoader":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, rows: Sequence[Sequence[Reference]]) -> list[list[Taken] | ImageFaultError]:
        """For each row's images: what was stored, in order, or the first fault. Durable when this returns."""
        names = [[self.name(image) for image in images] for images in rows]
        new = {
            name: image
            for row, images in zip(names, rows, strict=True)
            for name, image in zip(row, images, strict=True)
            if name not in self._known
        }
        with decoding(self._limits.max_pixels):
            found = dict(zip(new, self._pool.map(self._take, new.values()), strict=True))
        outcomes = [_join([found.get(name) or self._known[name] for name in row]) for row in names]
        self._remember(found)
        self._store.flush()
        return outcomes

    def name(self, image: Reference | None) -> str:
        """What tells an image from the others of this source: the hash of its bytes, or its path."""
        if image is None:
            return ""
        if image["bytes"] is not None:
            return hashlib.sha256(image["bytes"]).hexdigest()
        path = str(image["path"] or "")
        return path if len(path) < _LONG else hashlib.sha256(path.encode()).hexdigest()

    def _take(self, image: Reference) -> Taken | ImageFaultError:
        try:
            data = self._read(image)
            usable = read_image(data, self._limits, self._room)
        except ImageFaultError as fault:
            if image is not None and image["path"]:
                fault.evidence.setdefault("path", image["path"][:_LONG])
            return fault
        origin = hashlib.sha256(data).hexdigest()
        media = {
            "kind": "image",
            "sha256": self._store.put(usable.data, usable.suffix),
            "width": usable.width,
            "height": usable.height,
            "role": "question",
            "derived_from": _derived(origin, usable),
        }
        return Taken(media, origin)

    def _read(self, image: Reference | None) -> bytes:
        data: bytes | None = image["bytes"] if image is not None else None
        path = str(image["path"] or "") if image is not None else ""
        if data is None and not path.strip():
            raise ImageFaultError("image_missing", error="neither bytes nor a path")
        if data is None:
            data = _inline(path)
        if data is None and _REMOTE.match(path):
            raise ImageFaultError("remote_image", error="images are not downloaded")
        if data is None:
            return self._file(path)
        if len(data) > self._max_bytes:
            raise ImageFaultError("image_too_large", bytes=len(data), max_bytes=self._max_bytes)
        return data

    def _file(self, path: str) -> bytes:
        """The bytes of a file in the source's folders. Of other files nothing is disclosed, not even whether they exist."""
        faults = []
        for spelled in _spellings(path):
            try:
                found = resolved_inside(self._folders[0] / spelled, self._folders) if self._folders else None
                if found is None:
                    outside = "outside the source's folder; image_root opens others"
                    faults.append(ImageFaultError("image_outside", error=outside))
                else:
                    return _regular(found, self._max_bytes)
            except (
                OSError,
                ValueError,
                RuntimeError,
            ) as error:  # ValueError: a null character; RuntimeError: a ring of links
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                faults.append(ImageFaultError("image_missing", error=reason))
        raise next((fault for fault in faults if fault.cause == "image_outside"), faults[0])

    def _remember(self, found: Mapping[str, Taken | ImageFaultError]) -> None:
        self._known.update(found)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _regular(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes. A pipe would be waited for, a device read for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("a folder, pipe or device, not a file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("a folder, pipe or device, not a file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ImageFaultError("image_too_large", bytes=max(found.st_size, len(data)), max_bytes=most)
    return data


def _join(outcomes: Sequence[Taken | ImageFaultError]) -> list[Taken] | ImageFaultError:
    fault = next((o for o in outcomes if isinstance(o, ImageFaultError)), None)
    return fault if fault is not None else [o for o in outcomes if isinstance(o, Taken)]


def _derived(origin: str, usable: UsableImage) -> str | None:
    """What was done to the source's bytes, whose hash is `origin`."""
    params = {"orientation": usable.turned} if usable.turned else {}
    ops = [*(["exif_transpose"] if usable.turned else []), *(["rgb"] if usable.flattened else [])]
    return canonical_json({"media": origin, "op": "+".join(ops), "params": params}) if ops else None


def _inline(text: str) -> bytes | None:
    """The bytes of a `data:image/…;base64,…` address or of bare base64, in which chats and VLMEvalKit's tables carry their
    images; null for anything else."""
    head, comma, body = text.partition(",")
    if not (comma and head.lstrip()[:5].lower() == "data:"):
        head, body = (";base64", text) if _BASE64.match(text) and len(text) >= _SHORTEST else ("", "")
    if not head:
        return None
    try:
        # Lines are broken in MIME, and some write the alphabet of URLs.
        plain = "".join(body.split()).replace("-", "+").replace("_", "/")
        is_base64 = head.rstrip().lower().endswith(";base64")
        return base64.b64decode(plain, validate=True) if is_base64 else unquote_to_bytes(body)
    except ValueError as error:
        raise ImageFaultError("image_broken", error=f"not base64: {error}") from error


def _spellings(path: str) -> list[str]:
    """A path as published, then as other systems mean it: without blanks around it or `file://`, with slashes, unquoted."""
    plain = path.strip()
    if plain[:7].lower() == "file://":
        plain = unquote("/" + plain[7:].partition("/")[2])
    slashed = plain.replace("\\", "/")
    return list(dict.fromkeys((path, plain, slashed, unquote(plain), unquote(slashed))))
