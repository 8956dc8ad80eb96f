"""Rewrite: a trace that gives away that it was made from a caption is mended, in as few words as possible.

The rule is VLAA-Thinking's (arXiv 2504.11468, step 4): wording about a caption or a description becomes wording about the
image, with the smallest edits; a trace in which more than 15 words change is dropped. Without a model a table of phrases
does the same for the commonest forms.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import polars as pl
from pydantic import Field, field_validator

from generators.outcomes import failure, said
from generators.prompts import conversation, knows
from schemas.completion import Request, Sampling
from schemas.section import Section
from schemas.split import Split, split

PHRASES = {
    r"\baccording to the (?:image )?(?:caption|description|text)\b": "in the image",
    r"\bas (?:mentioned|stated|described) in the (?:image )?(?:caption|description|text)\b": "as seen in the image",
    r"\b(?:mentioned|stated|described) in the (?:image )?(?:caption|description|text)\b": "shown in the image",
    r"\bdescribed (?:above|says?|states?|mentions?)\b": "seen",
    r"\b(?:image )?(?:caption|description)s? (?:says?|states?|mentions?|tells? us|tells?)\b": "image shows",
    r"\b(?:image )?description (?:above|in the text)\b": "image",
    r"\b(?:the|this)(?: given| provided| image| above)* (?:caption|description)s?\b": "the image",
}
"""What becomes of a mention where no model mends it (regular expressions, case does not matter), in this order."""


class RewriteConfig(Section):
    """How leaks are mended."""

    model: str | None = Field(default=None, description="a name from `models`; without one, `phrases` are replaced")
    system: str | None = None
    prompt: Annotated[str, knows("reasoning")] = Field(
        default=(
            "This reasoning was written from a description of an image. Rewrite it so that it reads as if the writer "
            "looked at the image itself. Change as few words as you can, and nothing else.\n\n{reasoning}"
        ),
        description="{reasoning}",
    )
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=2048)
    phrases: dict[str, str] = Field(default=PHRASES, description="regular expressions and what stands in their place")
    max_changed: int = Field(default=15, ge=0, description="words that may change; beyond that the trace is dropped")

    @field_validator("phrases")
    @classmethod
    def _expressions(cls, phrases: dict[str, str]) -> dict[str, str]:
        for pattern in phrases:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {pattern!r} ({error})") from None
        return phrases


def requests(rows: pl.DataFrame, config: RewriteConfig) -> Iterator[Request]:
    """One request a leaking trace (`id, sample_id, thought`)."""
    for row in rows.iter_rows(named=True):
        turns = conversation(config.system, config.prompt.format(reasoning=row["thought"]))
        yield Request(row["id"], turns, config.sampling)


def collect(answers: pl.DataFrame, config: RewriteConfig) -> Split:
    """Mended traces: `id, sample_id, reasoning, changed`. Truncated replies are dropped: half a trace is none."""
    told = answers.with_columns(mended=said(answers).str.strip_chars())
    reason = failure("rewrite", truncated_drops=True)
    usable = split(told, reason, {"sample_id": pl.col("sample_id"), "error": pl.col("error")})
    parted = keep_small_changes(usable.kept.select("id", "sample_id", "thought", "mended"), config)
    return Split(parted.kept, pl.concat([usable.dropped, parted.dropped]))


def replace_phrases(rows: pl.DataFrame, config: RewriteConfig) -> Split:
    """Mend traces (`id, sample_id, thought`) by the table of phrases."""
    table = [(re.compile(pattern, re.IGNORECASE), words) for pattern, words in config.phrases.items()]
    mended = []
    for text in rows["thought"]:
        for pattern, words in table:
            text = pattern.sub(partial(_cased, words), text)  # noqa: PLW2901
        mended.append(text)
    return keep_small_changes(rows.with_columns(pl.Series("mended", mended, dtype=pl.String)), config)


def keep_small_changes(rows: pl.DataFrame, config: RewriteConfig) -> Split:
    """Keep what changed in at most `max_changed` words (Levenshtein distance over words).

    Reasons: `rewrite:empty`, `rewrite:changed`.
    """
    from rapidfuzz.distance import Levenshtein

    pairs = rows.select("thought", "mended").iter_rows()
    changed = [Levenshtein.distance(old.split(), new.split()) for old, new in pairs]
    counted = rows.with_columns(pl.Series("changed", changed, dtype=pl.Int32))
    reason = (
        pl.when(pl.col("mended") == "")
        .then(pl.lit("rewrite:empty"))
        .when(pl.col("changed") > config.max_changed)
        .then(pl.lit("rewrite:changed"))
    )
    parted = split(counted, reason, {"sample_id": pl.col("sample_id"), "changed": pl.col("changed")})
    return Split(parted.kept.select("id", "sample_id", "changed", reasoning="mended"), parted.dropped)


def _cased(words: str, found: re.Match[str]) -> str:
    """The replacement, with the first letter as large as that of what it replaces."""
    return words[:1].upper() + words[1:] if found[0][:1].isupper() else words
