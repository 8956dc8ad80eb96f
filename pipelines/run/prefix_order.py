"""The order in which a model is asked: what starts alike goes out together.

Servers keep what they computed of a prompt for the next one that starts the same way (vLLM: prefix caching by blocks of
tokens, and a cache of encoded images), and forget it when there is no room. Rows come in the order of their ids, which are
hashes, so that the eight rollouts of a question that a judge reads would be asked about far from each other.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from pipelines.run.driver import Call
from schemas.completion import ImagePart

FIRST, MOST, TAKEN = 2048, 65_536, 8
"""Calls that are looked at together before the first goes out, and at most; how many are taken in for each that goes out."""

MOST_CHARACTERS = 32 << 20
"""Of the texts of those that are looked at."""

_Start = tuple[str, tuple[str, ...], tuple[str, ...]]


def alike_together(calls: Iterable[Call], first: int = FIRST, most: int = MOST) -> Iterator[Call]:
    """The same calls, by system prompt, then images, then the rest of the prompt, as far as they are looked at together.

    Selection by replacement (Knuth, The Art of Computer Programming 3, 5.4.1): what comes in while a run through that order
    is under way joins it, or waits for the next where it is too late. Few come in for each that goes out, so that rendering
    them never holds up those in flight.
    """
    source, waiting, characters = iter(calls), list[tuple[int, _Start, int, Call]](), 0
    run, latest, number, room = 0, None, 0, first
    while True:
        while room and (not waiting or (len(waiting) < most and characters < MOST_CHARACTERS)):
            call = next(source, None)
            if call is None:
                break
            key, number, room = start(call), number + 1, room - 1
            heappush(waiting, (run + (latest is not None and key < latest), key, number, call))
            characters += _length(call)
        if not waiting:
            return
        run, latest, _, call = heappop(waiting)
        characters -= _length(call)
        yield call
        room = TAKEN


def _length(call: Call) -> int:
    return sum(len(part) for m in call.request.messages for part in m.content if isinstance(part, str))


def start(call: Call) -> _Start:
    """By what calls are sorted. Images come before words that are in front of them: they cost more than words, and the
    encoded ones are found wherever they are."""
    messages = call.request.messages
    system = "".join(str(part) for m in messages if m.role == "system" for part in m.content)
    parts = (part for m in messages if m.role != "system" for part in m.content)
    texts = tuple(part.sha256 if isinstance(part, ImagePart) else part for part in parts)
    return system, call.request.images, texts
