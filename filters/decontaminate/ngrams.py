"""Shared word n-grams between rows and evaluation sets.

Any common run of 13 words counts (Brown et al., "Language Models are Few-Shot Learners", 2020, appendix C); runs of 8
(huggingface/open-r1, `scripts/decontaminate.py`) count when they make up enough of the evaluation question, because eight
words of instruction ("answer the question using a single word or phrase") are not a question.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_BASE = np.uint64(0x9E3779B97F4A7C15)
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[[\p{{L}}\p{{N}}]&&[{_UNSPACED}]]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"


def grams(texts: pl.Series, size: int) -> tuple[Ints, Words]:
    """`(text, gram)`: the number of the text and a 64-bit hash of each run of `size` words in it, in order.

    Words are runs of letters and digits, lower case; of scripts that put no blanks between words, each character is one.
    Hashes are comparable inside one process only.
    """
    words = texts.fill_null("").str.to_lowercase().str.extract_all(_WORD)
    counts = words.list.len().to_numpy().astype(np.int64)
    hashed = words.explode(empty_as_null=False, keep_nulls=False).hash(7).to_numpy().astype(np.uint64)
    if len(hashed) < size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    total = len(hashed) - size + 1
    rolled = np.zeros(total, dtype=np.uint64)
    for offset in range(size):
        rolled = rolled * _BASE + hashed[offset : offset + total]
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    whole = owner[:total] == owner[size - 1 :]
    return owner[:total][whole], rolled[whole]


def shared_grams(rows: pl.Series, benchmark: pl.Series, size: int, common: int, block: int = 100_000) -> pl.DataFrame:
    """`row, entry, shared, share`: pairs of a row and an evaluation question with n-grams in common, by their numbers.

    `shared` counts the question's distinct n-grams found in the row, `share` divides by all of its own. N-grams that
    more than `common` evaluation questions contain are boilerplate and count for nothing, on either side of the division.
    """
    owner, gram = grams(benchmark, size)
    entries = pl.DataFrame({"entry": owner, "gram": gram}).unique()
    entries = entries.filter(pl.len().over("gram") <= common)
    own = entries.group_by("entry").agg(own=pl.len())
    found = []
    for start in range(0, len(rows), block):
        row, gram = grams(rows[start : start + block], size)
        mine = pl.DataFrame({"row": row + start, "gram": gram}).unique()
        found.append(mine.join(entries, on="gram").group_by("row", "entry").agg(shared=pl.len()))
    schema = pl.Schema({"row": pl.Int64, "entry": pl.Int64, "shared": pl.UInt32})
    pairs = pl.concat([pl.DataFrame(schema=schema), *(f.cast(schema) for f in found)])
    counted = pairs.join(own, on="entry", how="left").with_columns(share=pl.col("shared") / pl.col("own"))
    return counted.select("row", "entry", "shared", "share").sort("row", "entry")
