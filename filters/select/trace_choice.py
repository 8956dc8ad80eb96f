"""Which of a question's right traces are trained on.

All of them by default: OpenMMReasoner (arXiv 2511.16334, table of its SFT ladder) went from 50.5 to 55.2 with eight
answers a question instead of one, and lost by filters on length (54.2) and difficulty (51.3). The other picks are
published too.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import polars as pl
from pydantic import Field

from schemas.ids import chance
from schemas.section import Section
from schemas.split import Split, no_drops, split


class TracesConfig(Section):
    """What is picked, and how many; before that, whether a sample's right answers beat guessing (`filters.guessing`)."""

    pick: Literal["all", "shortest", "length_weighted", "diverse"] = Field(
        default="all", description="all; the shortest; drawn, longer ones first; or as different as can be"
    )
    m: int = Field(default=1, ge=1, description="traces a question, but for `all`")
    base: float = Field(default=0.5, gt=0, lt=1, description="length_weighted: weight base ** rank, rank 0 the longest")
    variant: Literal["paper", "code"] = Field(
        default="paper", description="shortest: the shortest (paper), or the second longest (what the code does)"
    )
    beats_chance: bool = Field(
        default=True,
        description="where a question can be guessed, keep its traces only if more of them are right than guesses would be; "
        "from distill.n 2 on",
    )
    max_guess: float | None = Field(
        default=None, gt=0, le=1, description="beats_chance: the largest probability that guesses alone do as well"
    )

    def sieves(self, n: int) -> bool:
        """Whether anything is left out, of `n` traces a question."""
        return self.pick != "all" or (self.beats_chance and n > 1)


COLUMNS = ("id", "sample_id", "index", "tokens", "reasoning")


def pick_traces(traces: pl.DataFrame, config: TracesConfig, seed: int) -> Split:
    """Keep at most `config.m` traces of each sample; `traces` (`COLUMNS`) holds all traces of the samples that it holds.

    - `shortest`: OpenVLThinker (arXiv 2503.17352) keeps the shortest right trace in tokens; its code
      (`generation/generate_reasoning_thinker.py` of yihedeng9/OpenVLThinker) the second longest, or the only one.
    - `length_weighted`: drawn without replacement by `base ** rank` within each question, the same number for each
      (`0.5^rank`, longest first: `data_gen/` of andrewliao11/LongPerceptualThoughts).
    - `diverse`: the first trace, then again and again the one whose nearest picked one is farthest (Gonzalez 1985), by
      1 - Jaccard of pairs of words. Ours; several answers a question help (above), copies cannot.

    Kept rows are the input's, in its order. Reasons: `pick:longer` (`pick:not_second_longest` by the code's variant),
    `pick:not_drawn`, `pick:alike`; the evidence is the sample, the length and the place that the trace took.
    """
    if config.pick == "all":
        return Split(traces, no_drops())
    marked = traces.join(places(traces, config, seed), on="id", how="left", maintain_order="left", validate="1:1")
    cause = {"length_weighted": "not_drawn", "diverse": "alike"}.get(config.pick, "longer")
    if config.pick == "shortest" and config.variant == "code":
        cause = "not_second_longest"
    reason = pl.when(~(pl.col("place") < config.m).fill_null(False)).then(pl.lit(f"pick:{cause}"))
    evidence = {name: pl.col(name) for name in ("sample_id", "tokens", "place")}
    parted = split(marked, reason, evidence)
    return Split(parted.kept.drop("place"), parted.dropped)


def places(traces: pl.DataFrame, config: TracesConfig, seed: int) -> pl.DataFrame:
    """`id, place` of traces (`COLUMNS`): 0 is picked first of its sample; null or missing is never picked."""
    return _diverse(traces, config.m) if config.pick == "diverse" else _by_length(traces, config, seed)


def _by_length(traces: pl.DataFrame, config: TracesConfig, seed: int) -> pl.DataFrame:
    """`id, place`: where each trace stands in its sample, by length or by a draw that length weighs."""
    tie = chance(f"pick:{seed}", traces["id"]).alias("__chance")
    rows = traces.select("id", "sample_id", "tokens", tie).sort(
        "sample_id", "tokens", "__chance", "id", nulls_last=True
    )
    place, size = pl.int_range(pl.len()).over("sample_id"), pl.len().over("sample_id")
    if config.pick == "length_weighted":
        # Efraimidis and Spirakis 2006: -ln(u) / weight, here its logarithm, because 0.5 ** 2000 is 0.
        longest_first = size - 1 - place
        waiting = (-(1 - pl.col("__chance")).log()).log() - longest_first * pl.lit(config.base).log()
        rows = rows.with_columns(waiting.alias("__key")).sort("sample_id", "__key", "id")
    elif config.variant == "code":
        second = pl.max_horizontal(size - 2, 0)
        rows = rows.with_columns((place - second).abs().alias("__key")).sort("sample_id", "__key", "id")
    return rows.select("id", place.alias("place"))


def _diverse(traces: pl.DataFrame, m: int) -> pl.DataFrame:
    """`id, place` of the traces picked, in the order picked; null for the others."""
    ids: list[str] = []
    places: list[int] = []
    groups = traces.sort("sample_id", "index", "id").group_by("sample_id", maintain_order=True).agg("id", "reasoning")
    for names, texts in groups.select("id", "reasoning").iter_rows():
        picked = farthest([text or "" for text in texts], m)
        ids += [names[i] for i in picked]
        places += range(len(picked))
    return pl.DataFrame({"id": ids, "place": places}, schema={"id": pl.String, "place": pl.Int64})


def farthest(texts: Sequence[str], m: int) -> list[int]:
    """Places of `m` texts: the first, then each time the one least like the picked ones; ties go to the earlier."""
    pairs = [_pairs(text) for text in texts]
    picked = [0] if texts and m > 0 else []
    near = [_likeness(pairs[0], other) for other in pairs] if picked else []
    while len(picked) < min(m, len(texts)):
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
