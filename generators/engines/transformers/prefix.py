"""What prompts have in common: the starts that two or more of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids of a prompt, how many of the first could be shared with others, and the tensors of its images."""

    ids: tuple[int, ...]
    sharable: int
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> tuple[int, ...]:
        """What could be shared."""
        return self.ids[: self.sharable]


def agreement(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many of the first tokens are the same."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(i for i in range(most) if one[i] != other[i])


def shared_starts(starts: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], int]]:
    """Every start at which some of `starts` part after going together, and how many go together up to it; shortest first.

    These are the inner nodes of their prefix tree: in sorted order, what neighbours have in common.
    """
    ordered = sorted(starts)
    found: dict[tuple[int, ...], int] = {}
    open_: list[tuple[tuple[int, ...], int]] = []  # starts that hold so far, and where in the order they began
    for at, (one, other) in enumerate(pairwise(ordered)):
        length, began = agreement(one, other), at
        while open_ and len(open_[-1][0]) > length:
            start, began = open_.pop()
            found[start] = at - began + 1
        if length and (not open_ or len(open_[-1][0]) < length):
            open_.append((one[:length], began))
    for start, began in open_:
        found[start] = len(ordered) - began
    return sorted(found.items(), key=lambda item: (len(item[0]), item[0]))
