"""Golds of other rows, as wrong answers to try a verifier with: a few hundred of each group, whatever the table's size."""

import hashlib
from bisect import insort
from collections import defaultdict

MOST = 256
"""Golds kept of a group."""


class Others:
    """A bounded sample of the distinct golds of each group.

    Those with the smallest hashes stay, so that the sample depends on the golds and the seed alone: not on the order of
    the rows, on their batches, nor on how often a gold comes.
    """

    def __init__(self, seed: int) -> None:
        self._salt = str(seed).encode() + b":"
        self._kept: dict[tuple[str, ...], list[tuple[bytes, str]]] = defaultdict(list)

    def add(self, group: tuple[str, ...], gold: str) -> None:
        """Look at one gold (a text that tells it from others) of a group."""
        kept = self._kept[group]
        mark = (hashlib.blake2b(self._salt + gold.encode(), digest_size=8).digest(), gold)
        if (len(kept) == MOST and mark >= kept[-1]) or mark in kept:
            return
        insort(kept, mark)
        del kept[MOST:]

    def of(self, group: tuple[str, ...]) -> list[str]:
        """The golds that were kept of a group, in an order that means nothing."""
        return [gold for _, gold in self._kept.get(group, ())]
