"""Trajectory diversity: how differently a model's rollouts of one question go about it, as one number.

The forms that MMR1 names (arXiv 2509.21268, appendix A.3; `verl/curriculum/metrics.py` of LengSicong/MMR1), each turned and
scaled so that 0 means all the same and 1 means all different. MMR1 counts the model's tokens, padding included; here a token
is a word, so that the number does not depend on a tokenizer or on the longest rollout of a batch.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Literal

import polars as pl

DiversityMeasure = Literal["distinct_3", "self_bleu_123", "edit_distance"]

DIVERSITY: dict[DiversityMeasure, str] = {
    "distinct_3": "distinct_3",
    "self_bleu_123": "self_bleu_diversity",
    "edit_distance": "edit_distance",
}
"""The column of each measure."""

RAW: dict[str, str] = {"edit_distance": "edit_words"}
"""Where MMR1's code adds another number than the scaled one: the measure it is of, and its column (and its name here)."""

EPSILON = 0.1
"""The numerator of a precision without a match (method 1 of Chen and Cherry 2014, which MMR1 takes from NLTK)."""

Words = Sequence[str]


def distinct_n(texts: Sequence[Words], n: int = 3) -> float:
    """Different n-grams over all n-grams of all rollouts; 0 where no rollout has `n` words."""
    grams = [gram for words in texts for gram in _grams(words, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[Words]) -> float:
    """Mean BLEU (1 to 3-grams, equal weights, smoothing 1) of each rollout against the others: high is alike."""
    if len(texts) < 2:
        return 0.0
    return sum(_bleu(words, [*texts[:i], *texts[i + 1 :]]) for i, words in enumerate(texts)) / len(texts)


def edit_words(texts: Sequence[Words]) -> float:
    """Mean over all pairs of the Levenshtein distance in words, without a limit: what MMR1's code weighs."""
    from rapidfuzz.distance import Levenshtein

    return _mean_over_pairs(texts, Levenshtein.distance)


def edit_distance(texts: Sequence[Words]) -> float:
    """Mean over all pairs of the Levenshtein distance in words, over the longer one's length."""
    from rapidfuzz.distance import Levenshtein

    return _mean_over_pairs(texts, Levenshtein.normalized_distance)


def _mean_over_pairs(texts: Sequence[Words], distance: Callable[[Words, Words], float]) -> float:
    """0 where there is no pair."""
    pairs = list(combinations(texts, 2))
    return sum(distance(a, b) for a, b in pairs) / len(pairs) if pairs else 0.0


MEASURES: dict[str, Callable[[Sequence[Words]], float]] = {
    "distinct_3": distinct_n,
    "self_bleu_123": lambda texts: 1.0 - self_bleu(texts) if len(texts) > 1 else 0.0,
    "edit_distance": edit_distance,
    "edit_words": edit_words,
}
"""Each measure as a diversity: 0 all the same, 1 all different; but for the raw ones."""

COLUMNS: dict[str, str] = {**dict(DIVERSITY.items()), **{column: column for column in RAW.values()}}
"""The column of each of `MEASURES`."""


def diversity(rollouts: pl.DataFrame, measure: str) -> pl.DataFrame:
    """`id` and the measure's column (Float64), one row a sample, from rollouts (`id` of the sample, `index, text`)."""
    measured = MEASURES[measure]
    texts = rollouts.sort("id", "index").group_by("id", maintain_order=True).agg("text")
    scores = [measured([(text or "").split() for text in group]) for group in texts["text"]]
    return pl.DataFrame({"id": texts["id"], COLUMNS[measure]: pl.Series(scores, dtype=pl.Float64)})


def _grams(words: Words, n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def _bleu(words: Words, others: Sequence[Words]) -> float:
    """Papineni et al. 2002, uniform weights over 1 to 3-grams; 0 where not even a word agrees."""
    logs = []
    for n in (1, 2, 3):
        mine = Counter(_grams(words, n))
        most: Counter[tuple[str, ...]] = Counter()
        for other in others:
            most |= Counter(_grams(other, n))
        matches = (mine & most).total()
        if n == 1 and matches == 0:
            return 0.0
        logs.append(math.log((matches or EPSILON) / max(1, mine.total())))
    nearest = min((len(other) for other in others), key=lambda length: (abs(length - len(words)), length))
    brevity = 0.0 if len(words) > nearest else 1 - nearest / len(words)
    return math.exp(brevity + sum(logs) / 3)
