"""Tests on columns of counts: better than chance, worse than before, and many of them at once."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def above_chance(k: Counts, n: Counts, chance: Floats) -> Floats:
    """P(at least k right of n | each right with probability `chance`): the one-sided exact binomial test. 1 where n is 0.

    Choice questions are called answerable only against it (arXiv 2509.25941).
    """
    from scipy.stats import binom

    p = np.asarray(binom.sf(k - 1, n, chance), dtype=np.float64)
    return np.where(n == 0, 1.0, p)


def below_base(k: Counts, n: Counts, base_k: Counts, base_n: Counts) -> Floats:
    """P(the variant gets at most k of n | the same pass rate as the base's): Fisher's exact test, one-sided.

    Small where the pass rate fell. 1 where either has no count.
    """
    from scipy.stats import hypergeom

    p = np.asarray(hypergeom.cdf(k, n + base_n, k + base_k, n), dtype=np.float64)
    return np.where((n == 0) | (base_n == 0), 1.0, p)


def beats(first: Counts, second: Counts) -> Floats:
    """P(at least `first` of both | either as likely): the one-sided sign test. 1 where both are 0."""
    half = np.full(len(first), 0.5)
    return above_chance(first, first + second, half)


def lower_bound(hits: Counts, of: Counts, alpha: float) -> Floats:
    """The one-sided lower Clopper-Pearson bound of a share at level 1 - alpha; 0 without a hit."""
    from scipy.stats import beta

    bound = beta.ppf(alpha, np.maximum(hits, 1), of - hits + 1)
    return np.where(hits == 0, 0.0, np.asarray(bound, dtype=np.float64))


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p-values (Benjamini & Hochberg 1995): those at most q hold a share of at most q false ones, on average."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, method="bh"), dtype=np.float64) if len(p) else p
