"""What need not be computed of a prompt, because another one began with it."""

from collections.abc import Callable, Sequence

from generators.engines.transformers.prefill import PASS_TOKENS
from generators.engines.transformers.prefix import EncodedPrompt, shared_starts
from generators.engines.transformers.prefix_tree import PrefixTree, States

LEAST_PREFIX = 32
"""Shorter prefixes are not worth being read apart from the rest in each step."""


class KnownStarts:
    """The `PrefixTree` of one model, and what of it a batch shares."""

    def __init__(self, compute: Callable[[tuple[int, ...], States, int], States], most_bytes: int) -> None:
        """`compute` gives the states of the tokens of a start behind a number of them, whose states it is given."""
        self._compute = compute
        self._tree = PrefixTree(most_bytes)

    def known(self, prompt: EncodedPrompt) -> int:
        """How many of its first tokens were computed before."""
        return self._tree.known(prompt.start)

    def states(self, start: tuple[int, ...], first: int) -> States:
        """Of `start[first:]`, all of which is known."""
        return self._tree.states(start, first)

    def compute_shared(self, prompts: Sequence[EncodedPrompt]) -> None:
        """Compute what several of `prompts` begin with alike, where that saves more than its pass costs."""
        for start, count in shared_starts([p.start for p in prompts]):
            known = self._tree.known(start)
            if (count - 1) * (len(start) - known) >= PASS_TOKENS:
                before = self._tree.states(start[:known], 0) if known else ()
                self._tree.add(start, known, self._compute(start, before, known))

    def choose(self, prompts: Sequence[EncodedPrompt]) -> tuple[tuple[int, ...], States]:
        """The start, and its states, that is best read once for all of a batch; `(), ()` where none is worth it."""
        starts = [*shared_starts([p.start for p in prompts]), *((p.start, 1) for p in prompts[:1])]
        known = [(start[: self._tree.known(start)], count) for start, count in starts]
        best, _ = max(known, key=lambda found: len(found[0]) * found[1], default=((), 0))
        return (best, self._tree.states(best, 0)) if len(best) >= LEAST_PREFIX else ((), ())

    def keep_prompt(self, prompt: EncodedPrompt, known: int, states: States) -> None:
        """Take in what was computed of a prompt: the states of its tokens from `known` on."""
        kept = prompt.start if prompt.extras else prompt.ids
        if len(kept) > known:
            self._tree.add(kept, known, states)

    def new_of_reply(self, ids: tuple[int, ...], prompt: int) -> int:
        """How many of the last tokens of a prompt of that length and its reply are new; 0 where the prompt is not known."""
        known = self._tree.known(ids)
        return len(ids) - known if known >= prompt else 0

    def keep_reply(self, ids: tuple[int, ...], states: States) -> None:
        """Take in a reply behind its prompt, by the states of the last tokens."""
        self._tree.add(ids, len(ids) - int(states[0][0].shape[2]), states)
