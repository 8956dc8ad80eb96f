"""How far a text goes round in circles: n-grams that come again, sentences that come again, a phrase twice in a row.

Repeated n-grams: 6 words in `om-ai-lab/VLM-R1`, 20 in VL-Cogito (arXiv 2507.22607) and Perception-R1; repeated sentences:
VisionReasoner. A stutter ("So the So the answer is") is ours: small models break so, and no share of a text shows it.
"""

import re

import numpy as np
import polars as pl

from filters.word_hashes import Words, ngrams, repeated, spelled, words_of

_FUNCTION = frozenset(
    ("a", "an", "the", "is", "are", "was", "were", "be", "so", "to", "of", "in", "on", "at", "it", "this", "that", "there",
     "we", "i", "you", "he", "she", "they", "if")
)  # fmt: skip
_JOINS = frozenset(("and", "or", "by", "after"))
_STUTTER = re.compile(r"(?i)\b((?:[a-z]+[ \t,]+){1,7}[a-z]+)[ \t,]+\1\b")
_LONGEST = 8
"""Words of a stutter."""
_FOLDED = re.compile("[\u0130\u0131\u017f\u212a]")
"""Letters beyond ASCII that are an i, s or k where case does not count."""
_LETTERS = 5
"""Letters and digits below which a line is no sentence: a `\\[` or a "Wait" says nothing twice."""


def circling(text: pl.Series, n: int) -> pl.DataFrame:
    """`words, repeated_ngrams, stutters` of texts, in their order: how many words each has, the share of its n-grams of
    words that came before (0 where every one is another), and how often it stutters."""
    found = []
    for whole, small in zip(text, pl.select(spelled(pl.lit(text))).to_series(), strict=True):
        words = words_of(small or "")
        found.append((len(words.hashes), repeated(ngrams(words.hashes, n)), _stutters(whole or "", small or "", words)))
    schema = {"words": pl.UInt32, "repeated_ngrams": pl.Float64, "stutters": pl.UInt32}
    rows = pl.DataFrame(found, schema=schema, orient="row")
    # Its small letter is two characters, the second of them a mark that is in no word.
    dotted = pl.when(pl.lit(text).str.contains("\u0130", literal=True)).then(pl.lit(text))
    return rows.with_columns(words=pl.coalesce(dotted.str.count_matches(r"[\p{L}\p{N}]+"), "words"))


def repeated_sentences(text: pl.Expr) -> pl.Expr:
    """The share of sentences that came before; what has fewer than five letters and digits is none."""
    # A point inside a number or an abbreviation ends nothing.
    parts = text.str.to_lowercase().str.replace_all(r"[.!?;]+(?:\s+|$)|[。！？；\n]+", "\n").str.split("\n")
    sentence = pl.element().str.strip_chars()
    long_enough = sentence.str.contains(rf"(?:[\p{{L}}\p{{N}}][^\p{{L}}\p{{N}}]*){{{_LETTERS}}}")
    return _repeated(parts.list.eval(sentence.filter(long_enough).hash()))


def _stutters(text: str, small: str, words: Words) -> int:
    """How often a phrase of two to eight words is repeated at once, with a word in it that carries no content.

    Patterns are no stutters ("red blue red blue", "0 1 0 1"), nor is "more and more and more".
    """
    if not _may_stutter(small, words) and (text.isascii() or not _FOLDED.search(text)):
        return 0
    return sum(_is_stutter(found[1].lower().split()) for found in _STUTTER.finditer(text))


def _may_stutter(text: str, words: Words) -> bool:
    """Whether any two to eight words, one of them without content, are followed by the same ones, whatever is between: where
    none are, `_STUTTER`, which takes seven tries at every word, finds nothing that counts."""
    pairs, data = ngrams(words.hashes, 2), b""
    for size in range(2, _LONGEST + 1):
        same = pairs[size:] == pairs[:-size]
        if not np.count_nonzero(same):
            continue
        run = np.zeros(len(same) + 1, np.int64)
        same.cumsum(out=run[1:])
        data = data or text.encode()
        for start in (run[size - 1 :] - run[: 1 - size] == size - 1).nonzero()[0]:
            spans = zip(words.starts[start : start + size], words.ends[start : start + size], strict=True)
            if any(data[begin:end].decode() in _FUNCTION for begin, end in spans):
                return True
    return False


def _is_stutter(words: list[str]) -> bool:
    return bool(_FUNCTION & set(words)) and not (len(words) == 2 and _JOINS & set(words))


def _repeated(items: pl.Expr) -> pl.Expr:
    total = pl.element().len()
    share = (1 - pl.element().n_unique() / total.clip(1)) * (total > 0)
    # In one `eval`: polars makes the items again wherever an expression names them.
    return items.list.eval(share).list.first().fill_null(0.0)
