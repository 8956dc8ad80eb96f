"""Keys and values of what was computed last, in a tree by their tokens: a prompt takes its longest known start from it.

As the radix tree of SGLang (Zheng et al., arXiv:2312.07104, section 3): an edge holds a run of tokens, a prompt that leaves
it in the middle splits it, and the leaf that was not used for longest is forgotten when there are too many bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generators.engines.transformers.prefix import agreement

if TYPE_CHECKING:
    from torch import Tensor

States = Sequence[tuple["Tensor", "Tensor"]]
"""Keys and values of a run of tokens per layer, each `(1, heads, length, dim)`."""


@dataclass(eq=False, slots=True)
class Run:
    """An edge of the tree: its tokens, their states, and what comes after them, by its first token."""

    tokens: tuple[int, ...]
    states: States
    parent: "Run | None" = None
    after: dict[int, "Run"] = field(default_factory=dict)
    used: int = 0


class PrefixTree:
    """At most `most_bytes` of states."""

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self._most = most_bytes
        self._root = Run((), ())
        self._clock = 0

    def known(self, ids: tuple[int, ...]) -> int:
        """How many of the first tokens have their states here."""
        return sum(length for _, length in self._path(ids))

    def states(self, ids: tuple[int, ...], first: int) -> States:
        """The states of `ids[first:]`, all of which are known."""
        import torch

        parts, at = [], 0
        for run, length in self._path(ids):
            if at + length > first:
                parts.append(_cut(run.states, max(0, first - at), length))
            at += length
        return [
            (torch.cat([k for k, _ in layer], dim=2), torch.cat([v for _, v in layer], dim=2))
            for layer in zip(*parts, strict=True)
        ]

    def add(self, ids: tuple[int, ...], first: int, states: States) -> None:
        """Keep a copy of the states of `ids[first:]`, as far as they are new. What comes before must be known."""
        path = self._path(ids)
        known = sum(length for _, length in path)
        # What is larger than a share of the room would push out all that others begin with.
        if not first <= known < len(ids) or _bytes(states) * 4 > self._most:
            return
        end, length = path[-1] if path else (self._root, 0)
        if length < len(end.tokens):
            end = self._split(end, length)
        new = Run(ids[known:], _copy(_cut(states, known - first, len(ids) - first)), end, used=self._clock)
        end.after[ids[known]] = new
        self.size += _bytes(new.states)
        while self.size > self._most:
            self._forget()

    def _path(self, ids: tuple[int, ...]) -> list[tuple[Run, int]]:
        """The runs that `ids` goes along, each with the number of its tokens that agree."""
        self._clock += 1
        at, run, path = 0, self._root, list[tuple[Run, int]]()
        while at < len(ids) and (following := run.after.get(ids[at])) is not None:
            run = following
            run.used = self._clock
            length = agreement(run.tokens, ids[at : at + len(run.tokens)])
            path.append((run, length))
            at += length
            if length < len(run.tokens):
                break
        return path

    def _split(self, run: Run, at: int) -> Run:
        """Cut a run in two; returns the first half. Both are copies, so that forgetting one frees its bytes."""
        assert run.parent is not None
        first = Run(run.tokens[:at], _copy(_cut(run.states, 0, at)), run.parent, {run.tokens[at]: run}, run.used)
        run.parent.after[run.tokens[0]] = first
        run.states = _copy(_cut(run.states, at, len(run.tokens)))
        run.tokens, run.parent = run.tokens[at:], first
        return first

    def _forget(self) -> None:
        """Drop the leaf that was not used for longest. A run is used whenever one behind it is."""
        leaf, waiting = None, list(self._root.after.values())
        while waiting:
            run = waiting.pop()
            waiting += run.after.values()
            if not run.after and (leaf is None or run.used < leaf.used):
                leaf = run
        assert leaf is not None
        assert leaf.parent is not None
        del leaf.parent.after[leaf.tokens[0]]
        self.size -= _bytes(leaf.states)


def _cut(states: States, first: int, end: int) -> States:
    return [(k[:, :, first:end], v[:, :, first:end]) for k, v in states]


def _copy(states: States) -> States:
    import torch

    return [
        (k.clone(memory_format=torch.contiguous_format), v.clone(memory_format=torch.contiguous_format))
        for k, v in states
    ]


def _bytes(states: States) -> int:
    return sum(t.numel() * t.element_size() for pair in states for t in pair)
