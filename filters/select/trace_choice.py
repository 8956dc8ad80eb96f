"""The published ways to pick among the rows of one parent: which of a question's right traces are trained on.

All of them by default: OpenMMReasoner (arXiv 2511.16334, table of its SFT ladder) went from 50.5 to 55.2 with eight
answers a question instead of one, and lost by filters on length (54.2) and difficulty (51.3). The others are
published too.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import polars as pl

from schemas.ids import chance

Take = Literal["shortest", "second_longest", "length_weighted", "diverse"]

COLUMNS = ("id", "parent_id", "index", "tokens", "reasoning")


def places(rows: pl.DataFrame, take: Take, most: int, base: float, seed: int) -> pl.DataFrame:
    """`id, place` of rows (`COLUMNS`): 0 is picked first of its parent; null or missing is never picked.

    - `shortest`: OpenVLThinker (arXiv 2503.17352) keeps the shortest right trace in tokens.
    - `second_longest`, or the only one: what its code does (`generation/generate_reasoning_thinker.py` of
      yihedeng9/OpenVLThinker).
    - `length_weighted`: drawn without replacement by `base ** rank` among the rows of each parent, rank 0 the longest
      (`0.5^rank`: `data_gen/` of andrewliao11/LongPerceptualThoughts).
    - `diverse`: the first row, then again and again the one whose nearest picked one is farthest (Gonzalez 1985), by
      1 - Jaccard of pairs of words, `most` of them. Ours; several answers a question help (above), copies cannot.
    """
    return _diverse(rows, most) if take == "diverse" else _by_length(rows, take, base, seed)


def _by_length(rows: pl.DataFrame, take: Take, base: float, seed: int) -> pl.DataFrame:
    """`id, place`: the place of each row among those of its parent, by length or by a draw that length weighs."""
    tie = chance(f"pick:{seed}", rows["id"]).alias("__chance")
    rows = rows.select("id", "parent_id", "tokens", tie).sort("parent_id", "tokens", "__chance", "id", nulls_last=True)
    place, size = pl.int_range(pl.len()).over("parent_id"), pl.len().over("parent_id")
    if take == "length_weighted":
        # Efraimidis and Spirakis 2006: -ln(u) / weight, here its logarithm, because 0.5 ** 2000 is 0.
        longest_first = size - 1 - place
        waiting = (-(1 - pl.col("__chance")).log()).log() - longest_first * pl.lit(base).log()
        rows = rows.with_columns(waiting.alias("__key")).sort("parent_id", "__key", "id")
    elif take == "second_longest":
        second = pl.max_horizontal(size - 2, 0)
        rows = rows.with_columns((place - second).abs().alias("__key")).sort("parent_id", "__key", "id")
    return rows.select("id", place.alias("place"))


def _diverse(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """`id, place` of the rows picked, in the order picked; nothing of the others."""
    ids: list[str] = []
    places: list[int] = []
    groups = rows.sort("parent_id", "index", "id").group_by("parent_id", maintain_order=True).agg("id", "reasoning")
    for names, texts in groups.select("id", "reasoning").iter_rows():
        picked = farthest([text or "" for text in texts], most)
        ids += [names[i] for i in picked]
        places += range(len(picked))
    return pl.DataFrame({"id": ids, "place": places}, schema={"id": pl.String, "place": pl.Int64})


def farthest(texts: Sequence[str], most: int) -> list[int]:
    """Places of `most` texts: the first, then each time the one least like the picked ones; ties go to the earlier."""
    pairs = [_pairs(text) for text in texts]
    picked = [0] if texts and most > 0 else []
    near = [_likeness(pairs[0], other) for other in pairs] if picked else []
    while len(picked) < min(most, len(texts)):
        new = min((i for i in range(len(texts)) if i not in picked), key=lambda i: near[i])
        picked.append(new)
        near = [max(old, _likeness(pairs[new], other)) for old, other in zip(near, pairs, strict=True)]
    return picked


def _pairs(text: str) -> frozenset[tuple[str, ...]]:
    words = text.lower().split()
    return frozenset(pairwise(words)) or frozenset((word,) for word in words)


def _likeness(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """Jaccard; two empty texts are alike."""
    return len(a & b) / len(a | b) if a or b else 1.0
