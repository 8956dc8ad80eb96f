"""How far a text goes round in circles: n-grams that come again, sentences that come again, a phrase twice in a row.

Repeated n-grams: 6 words in `om-ai-lab/VLM-R1`, 20 in VL-Cogito (arXiv 2507.22607) and Perception-R1; repeated sentences:
VisionReasoner. A stutter ("So the So the answer is") is ours: small models break so, and no share of a text shows it.
"""

import re
from functools import reduce

import numpy as np
import polars as pl

_FUNCTION = frozenset(
    ("a", "an", "the", "is", "are", "was", "were", "be", "so", "to", "of", "in", "on", "at", "it", "this", "that", "there",
     "we", "i", "you", "he", "she", "they", "if")
)  # fmt: skip
_JOINS = frozenset(("and", "or", "by", "after"))
_STUTTER = re.compile(r"(?i)\b((?:[a-z]+[ \t,]+){1,7}[a-z]+)[ \t,]+\1\b")
_LONGEST = 8
"""Words of a stutter."""
_WORD = re.compile(r"[a-z]+")
_FOLDED = re.compile("[\u0130\u0131\u017f\u212a]")
"""Letters beyond ASCII that are an i, s or k where case does not count."""
_PRIME = 0x100000001B3
"""Of the FNV-1a hash."""
_LETTERS = 5
"""Letters and digits below which a line is no sentence: a `\\[` or a "Wait" says nothing twice."""


def repeated_ngrams(text: pl.Expr, n: int) -> pl.Expr:
    """The share of n-grams of words that came before: 0 where every one is another."""
    words = text.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    # Known by hashes of 64 bits: put together as texts, n-grams are n times the text.
    word = pl.element()
    gram = reduce(lambda found, i: (found * pl.lit(_PRIME, pl.UInt64)) ^ word.shift(-i), range(1, n), word)
    return _repeated(words.list.eval(pl.element().hash()).list.eval(gram.drop_nulls()))


def repeated_sentences(text: pl.Expr) -> pl.Expr:
    """The share of sentences that came before; what has fewer than five letters and digits is none."""
    # A point inside a number or an abbreviation ends nothing.
    parts = text.str.to_lowercase().str.replace_all(r"[.!?;]+(?:\s+|$)|[。！？；\n]+", "\n").str.split("\n")
    sentence = pl.element().str.strip_chars()
    long_enough = sentence.str.contains(rf"(?:[\p{{L}}\p{{N}}][^\p{{L}}\p{{N}}]*){{{_LETTERS}}}")
    return _repeated(parts.list.eval(sentence.filter(long_enough).hash()))


def stutters(text: str | None) -> int:
    """How often a phrase of two to eight words is repeated at once, with a word in it that carries no content.

    Patterns are no stutters ("red blue red blue", "0 1 0 1"), nor is "more and more and more".
    """
    if text is None or not _may_stutter(text):
        return 0
    return sum(_is_stutter(found[1].lower().split()) for found in _STUTTER.finditer(text))


def _may_stutter(text: str) -> bool:
    """Whether any two to eight words, one of them without content, are followed by the same ones, whatever is between: where
    none are, `_STUTTER`, which takes seven tries at every word, finds nothing that counts."""
    if not text.isascii() and _FOLDED.search(text):
        return True
    spoken = _WORD.findall(text.lower())
    words = np.fromiter(map(hash, spoken), np.int64, len(spoken))
    for size in range(2, _LONGEST + 1):
        same = np.zeros(max(1, len(words) - size + 1), np.int64)
        (words[size:] == words[:-size]).cumsum(out=same[1:])
        starts = (same[size:] - same[:-size] == size).nonzero()[0]
        if any(not _FUNCTION.isdisjoint(spoken[start : start + size]) for start in starts):
            return True
    return False


def _is_stutter(words: list[str]) -> bool:
    return bool(_FUNCTION & set(words)) and not (len(words) == 2 and _JOINS & set(words))


def _repeated(items: pl.Expr) -> pl.Expr:
    total = pl.element().len()
    share = (1 - pl.element().n_unique() / total.clip(1)) * (total > 0)
    # In one `eval`: polars makes the items again wherever an expression names them.
    return items.list.eval(share).list.first().fill_null(0.0)
