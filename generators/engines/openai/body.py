"""The body of a request, sent in the pieces that it is made of: images are most of it, and are not copied once more."""

from collections.abc import Sequence
from typing import Any

from aiohttp.payload import Payload

SMALL = 64 << 10
"""Bytes up to which a body is joined: fewer calls of the system take less time than the copy."""


class Pieces(Payload):  # type: ignore[misc]
    """Pieces of bytes, one after the other."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__(pieces)
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        for piece in self._value:
            await writer.write(piece)


def body_of(pieces: Sequence[bytes]) -> bytes | Pieces:
    """What aiohttp takes as `data`."""
    return b"".join(pieces) if sum(map(len, pieces)) <= SMALL else Pieces(pieces)
