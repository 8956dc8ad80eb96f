"""Images on their way to replicas: each is put into Ray's object store once, and fetched by a node that needs it."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from schemas.engine import MediaReader
from schemas.errors import MediaError, PermanentEngineError

KEPT = 512
"""Images that are kept there for the next request; those in flight stay anyway."""


class ImageSender:
    """Belongs to one event loop."""

    def __init__(self, media: MediaReader) -> None:
        self._media = media
        self._sent: OrderedDict[str, asyncio.Task[Any]] = OrderedDict()

    async def send(self, images: Sequence[str]) -> list[tuple[str, Any]]:
        """Hash and reference of each image, to go along with a request.

        Raises:
            MediaError: one is not stored, or damaged.
            PermanentEngineError: it cannot be read.
        """
        return [(sha256, await self._one(sha256)) for sha256 in dict.fromkeys(images)]

    async def _one(self, sha256: str) -> Any:
        task = self._sent.get(sha256)
        if task is None:
            task = self._sent[sha256] = asyncio.create_task(asyncio.to_thread(self._put, sha256))
            if len(self._sent) > KEPT:
                self._sent.popitem(last=False)
        self._sent.move_to_end(sha256)
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._sent.get(sha256) is task:  # it may be there the next time
                del self._sent[sha256]
            raise

    def _put(self, sha256: str) -> Any:
        import ray

        try:
            data = self._media.read(sha256)
        except MediaError:  # what lies on this disk is no reason to call the request refused
            raise
        except Exception as error:
            raise PermanentEngineError(f"image {sha256} cannot be read: {error}") from error
        return ray.put(data)
