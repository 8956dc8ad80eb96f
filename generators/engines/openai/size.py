"""How large a server's reply may be: what was asked for, generously, and no more, packed or not.

A server may send gigabytes where ten words were asked for, without end or as a few packed bytes. What it sends is counted
as it comes, errors and lists of models too, and the connection is closed where it is too much.
"""

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

BASE = 8 << 20
"""Bytes of a reply, whatever was asked for: some echo the prompt, or list a thousand models."""
A_TOKEN, A_LOGPROB = 64, 512
"""Bytes of JSON for a token: Chinese takes 12 where it is escaped; its logprob comes with its text and bytes."""

_PIECE = 64 << 10
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""Packings that are read, with what zlib calls them. No other is asked for."""

_most: ContextVar[int] = ContextVar("most", default=BASE)


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


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Replies to requests that this task makes in the block have at most so many bytes."""
    before = _most.set(size)
    try:
        yield
    finally:
        _most.reset(before)


async def bounded(response: Any) -> None:
    """A hook of httpx for responses: the body that is about to be read ends with ReplyTooLargeError where it is too long."""
    library = import_module(
        type(response).__module__.partition(".")[0]
    )  # httpx, or httpx2 with newer clients of OpenAI

    class Bounded(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any, window: int | None) -> None:
            self._stream = stream
            self._window = window

        async def __aiter__(self) -> AsyncIterator[bytes]:
            most = left = _most.get()
            async for piece in _unpacked(self._stream, self._window):
                left -= len(piece)
                if left < 0:
                    raise ReplyTooLargeError(most)
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in _WINDOWS:
        del response.headers["content-encoding"]
    response.stream = Bounded(response.stream, _WINDOWS.get(packing))


def too_large(error: BaseException) -> ReplyTooLargeError | None:
    """What a library's error came of, where that is a reply that was too large."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ReplyTooLargeError):
        seen = seen.__cause__ or seen.__context__
    return seen


async def _unpacked(stream: Any, window: int | None) -> AsyncIterator[bytes]:
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
