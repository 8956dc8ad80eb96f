"""When enough rollouts of a sample have been seen: sequential stopping on the posterior of "in the wanted band".

After k right and w wrong answers the pass rate has the posterior Beta(alpha + k, beta + w). Two questions can be put to
it. `counts`: were all n asked, would between `low` and `high` of them be right? The answers still to come are
Beta-binomial, so this foretells the decision that a fixed n would make. `rate`: does the true pass rate lie between
`low / n` and `high / n`? Asking stops at the first look at which the answer is yes or no with the wanted confidence.

A sample's decision depends on its own answers, in the order of their indexes, and on nothing else: not on other samples, nor
on when answers came, nor on what else a log holds. An answer without evidence (no rule could score it, it failed, or it was
cut off where the recipe calls that unscored) counts as not yet drawn: a judge may score it later.

The posterior does not mind that we stopped on purpose; the rate k/n does. It is biased away from 1/2: one stops at 0 of 8
but goes on after 1 of 8. So compare counts of adaptive samples by `in_band` or `beta_mean`, not by k/n alone.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.adaptive import AdaptiveConfig, BetaPrior

Outcome = Literal["right", "wrong", "unscored", "missing"]
"""What is known of one rollout."""


class Stop(NamedTuple):
    """Where a sample stopped: of `asked` rollouts (the first ones, by index) so many were `right` and `wrong`.

    `in_band` is the decision; null where `stopped` is `unanswered`: one of the asked answers is missing. The other ways
    to stop are `in_band`, `out_of_band` (the posterior decided) and `all_asked` (n rollouts and their counts did).
    """

    asked: int
    right: int
    wrong: int
    in_band: bool | None
    stopped: Literal["in_band", "out_of_band", "all_asked", "unanswered"]


class StoppingRule:
    """The decision for every count that n rollouts can show, worked out once."""

    def __init__(self, n: int, config: AdaptiveConfig) -> None:
        self.n = n
        self.low, self.high = config.band or (1, n - 1)
        self.looks = (*range(min(config.first, n), n, config.wave), n)
        chance = chances(n, self.low, self.high, config)
        self._verdicts: dict[tuple[int, int], bool | None] = {}
        for right in range(n + 1):
            for wrong in range(n + 1 - right):
                self._verdicts[right, wrong] = self._verdict(right, wrong, float(chance[right, wrong]), config)

    def _verdict(self, right: int, wrong: int, chance: float, config: AdaptiveConfig) -> bool | None:
        if config.rule == "counts":
            left = self.n - right - wrong
            if self._counted_in(right, wrong):
                return True
            if right + left < self.low or wrong + left < self.n - self.high:
                return False
        if config.confidence < 1 and chance >= config.confidence:
            return True
        if config.confidence < 1 and chance <= 1 - config.confidence:
            return False
        return None

    def _counted_in(self, right: int, wrong: int) -> bool:
        return right >= self.low and wrong >= self.n - self.high

    def verdict(self, right: int, wrong: int) -> bool | None:
        """Whether a sample is in the band, or null: go on asking."""
        return self._verdicts[right, wrong]

    def walk(self, outcomes: Sequence[Outcome]) -> Stop:
        """Where the first look that decides is. `outcomes` is what is known of rollouts 0 to n-1, in this order."""
        right = wrong = seen = 0
        for look in self.looks:
            new = outcomes[seen:look]
            if "missing" in new:
                return Stop(look, right, wrong, None, "unanswered")
            right, wrong, seen = right + new.count("right"), wrong + new.count("wrong"), look
            verdict = self.verdict(right, wrong)
            if look == self.n:
                break
            if verdict is not None:
                return Stop(look, right, wrong, verdict, "in_band" if verdict else "out_of_band")
        final = self._counted_in(right, wrong) if verdict is None else verdict
        return Stop(self.n, right, wrong, final, "all_asked")


def chances(n: int, low: int, high: int, config: AdaptiveConfig) -> npt.NDArray[np.float64]:
    """`(n+1, n+1)`: the posterior probability of the band after `[right, wrong]`; NaN where they exceed n."""
    table = np.full((n + 1, n + 1), np.nan)
    for right in range(n + 1):
        for wrong in range(n + 1 - right):
            if config.rule == "rate":
                table[right, wrong] = _rate_inside(low / n, high / n, right, wrong, config.prior)
            else:
                table[right, wrong] = _counts_inside(n, low, high, right, wrong, config.prior)
    return table


def _counts_inside(n: int, low: int, high: int, right: int, wrong: int, prior: BetaPrior) -> float:
    """The Beta-binomial probability that the n - right - wrong answers to come end in the band."""
    from scipy.special import betaln, gammaln

    left = n - right - wrong
    more = np.arange(left + 1)
    a, b = prior.right + right, prior.wrong + wrong
    ways = gammaln(left + 1) - gammaln(more + 1) - gammaln(left - more + 1)
    mass = np.exp(ways + betaln(a + more, b + left - more) - betaln(a, b))
    inside = (right + more >= low) & (right + more <= high)
    return float(mass[inside].sum())


def _rate_inside(low: float, high: float, right: int, wrong: int, prior: BetaPrior) -> float:
    from scipy.special import betainc

    a, b = prior.right + right, prior.wrong + wrong
    return float(betainc(a, b, high) - betainc(a, b, low))
