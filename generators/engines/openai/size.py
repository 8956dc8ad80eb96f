"""How large a server's reply may be: what was asked for, generously, and no more, packed or not.

A server may send gigabytes where ten words were asked for, without end or as a few packed bytes. What it sends is counted
as it comes, errors and lists of models too, and the connection is closed where it is too much.
"""

import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

BASE = 8 << 20
"""Bytes of a reply, whatever was asked for: some echo the prompt, or list a thousand models."""
A_TOKEN, A_LOGPROB = 64, 512
"""Bytes of JSON for a token: Chinese takes 12 where it is escaped; its logprob comes with its text and bytes."""

PACKINGS = "gzip, deflate"
"""What is asked for, which is what can be unpacked a little at a time."""

_PIECE = 64 << 10
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""Packings that are read, with what zlib calls them."""


class ReplyTooLargeError(Exception):
    """A reply of more than `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it sends more than {most >> 20:,} MiB")


def reply_bytes(parameters: Mapping[str, Any]) -> int:
    """The most bytes that a reply to a call with these parameters may have."""
    limits = (parameters.get(name) for name in ("max_tokens", "max_completion_tokens"))
    tokens = max((limit for limit in limits if isinstance(limit, int)), default=0)
    count = parameters.get("n")
    return BASE + tokens * (count if isinstance(count, int) else 1) * (
        A_LOGPROB if parameters.get("logprobs") else A_TOKEN
    )


async def read_body(response: Any, most: int) -> bytes:
    """The unpacked body of a response of aiohttp that leaves it packed.

    Raises:
        ReplyTooLargeError: it has more than `most` bytes; the rest was not read.
        zlib.error: it is not packed as its header says.
    """
    window = _WINDOWS.get(response.headers.get("content-encoding", "").strip().lower())
    pieces, left = [], most
    async for piece in _unpacked(response.content.iter_any(), window):
        left -= len(piece)
        if left < 0:
            raise ReplyTooLargeError(most)
        pieces.append(piece)
    return b"".join(pieces)


async def _unpacked(stream: AsyncIterator[bytes], window: int | None) -> AsyncIterator[bytes]:
    """The pieces of a body, unpacked a little at a time."""
    unpacker = None if window is None else zlib.decompressobj(window)
    async for piece in stream:
        if unpacker is None:
            yield piece
            continue
        left = piece
        while left:
            yield unpacker.decompress(left, _PIECE)
            left = unpacker.unconsumed_tail
    if unpacker is not None:
        yield unpacker.flush()
