"""What prompts of a batch have in common: the few-shot examples that all of them begin with."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEAST_PREFIX = 32
"""Shorter common prefixes are not worth a forward pass of their own."""

LEAST_SHARING = 4
"""Prompts among which a common prefix is looked for."""

KEPT_PREFIXES = 4
REUSED_SHARE = 0.8
"""A known prefix is taken where it covers this much of the best one."""

States = Sequence[tuple[Any, Any]]
"""Keys and values of a prefix per layer, each `(1, heads, length, dim)`."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids of a prompt, how many of the first could be shared with others, and the tensors of its images."""

    ids: tuple[int, ...]
    sharable: int
    extras: Mapping[str, Any] = field(default_factory=dict)


def common_prefix(prompts: Sequence[EncodedPrompt]) -> tuple[int, ...]:
    """The start that saves the most tokens when it is computed once; () where none is worth it.

    The first few prompts are tried as its source, and for each the length that at least half of all prompts share.
    """
    if len(prompts) < LEAST_SHARING:
        return ()
    best: tuple[int, ...] = ()
    for head in prompts[:LEAST_SHARING]:
        shared = sorted((_shared_length(head, p) for p in prompts), reverse=True)
        best = max(best, head.ids[: shared[len(shared) // 2]], key=len)
    return best if len(best) >= LEAST_PREFIX else ()


def _shared_length(one: EncodedPrompt, other: EncodedPrompt) -> int:
    return _agreement(one.ids[: one.sharable], other.ids[: other.sharable])


def _agreement(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many of the first tokens are the same."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(i for i in range(most) if one[i] != other[i])


class KnownPrefixes:
    """The prefixes computed last. What a new one has in common with them is not computed again."""

    def __init__(self, compute: Callable[[tuple[int, ...]], States]) -> None:
        self._compute = compute
        self._states: OrderedDict[tuple[int, ...], States] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def take(self, prompts: Sequence[EncodedPrompt]) -> tuple[tuple[int, ...], States]:
        """The prefix to share among `prompts`, and its keys and values; `(), ()` where none is worth it."""
        wanted = common_prefix(prompts)
        like = wanted or prompts[0].ids[: prompts[0].sharable]
        known = max(self._states, key=lambda p: _agreement(p, like), default=())
        length = _agreement(known, like)
        if length >= max(LEAST_PREFIX, REUSED_SHARE * len(wanted)):
            self._states.move_to_end(known)
            return like[:length], [(k[:, :, :length], v[:, :, :length]) for k, v in self._states[known]]
        if not wanted:
            return (), ()
        self._states[wanted] = self._compute(wanted)
        if len(self._states) > KEPT_PREFIXES:
            self._states.popitem(last=False)
        return wanted, self._states[wanted]
