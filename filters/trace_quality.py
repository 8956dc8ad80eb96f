"""How well a trace is written: measured for every trace, a reason to drop where a limit is set.

Three faults drop by default, because a trace that has one of them teaches something wrong whatever it is used for: it names
or implies another answer than the one it gives (`filters.conclusions`, `filters.restated`), its sentences or n-grams come
again and again, or it stutters (`filters.repetition`). All other limits are opt-in: OpenMMReasoner (arXiv 2511.16334)
measured that length and difficulty filters made the trained model worse (55.2 without, 54.2 and 51.3 with). What the caption
denies is a flag unless `max_denied` is set (`filters.caption_denial` says why).

Further measures: caption leakage (the banned words of LongPerceptualThoughts, `data_gen/` of
andrewliao11/LongPerceptualThoughts, and VLAA-Thinking, arXiv 2504.11468, step 4), reflection cues (VLAA-Thinking, step 6).
"""

from typing import Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.caption_denial import denied, unvouched
from filters.conclusions import CUES, MAY_CONCLUDE, conclusions
from filters.repetition import circling, repeated_sentences
from schemas.expressions import expression
from schemas.section import Section
from schemas.split import Split, split

LEAKS = (
    r"\b(?:the|this|given|provided|image|above) (?:caption|description)s?\b",
    r"\bdescri(?:ption|bed) (?:says?|states?|mentions?|above|in the text)\b",
    r"\b(?:caption|description) (?:says?|states?|mentions?|tells?)\b",
    r"\baccording to the (?:caption|description|text)\b",
    r"\b(?:as|is|are|was|were) (?:mentioned|stated) in the (?:caption|description|text)\b",
)
"""Ways in which a reasoner that never saw the image gives itself away (regular expressions, case does not matter)."""
_MAY_LEAK = r"(?i)caption|descri|(?:in|to) the text"
"""What is in each of them, found at the speed of memory; of words with bounds that is so in ASCII alone."""

_SCRIPTS = ("Latin", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Thai", "Hangul")
_EAST = r"\p{Han}\p{Hiragana}\p{Katakana}"


class QualityConfig(Section):
    """Limits on traces; null sets none."""

    min_tokens: int | None = Field(default=None, ge=0, description="shortest trace, in the reasoner's tokens")
    max_tokens: int | None = Field(default=None, ge=1, description="longest trace, in the reasoner's tokens")
    truncated: bool = Field(default=False, description="drop traces whose reply was cut off")
    ngram: int = Field(default=6, ge=2, description="words in an n-gram")
    max_repeated_ngrams: float | None = Field(default=0.5, ge=0, le=1, description="largest share of repeated n-grams")
    max_repeated_sentences: float | None = Field(
        default=0.3, ge=0, le=1, description="largest share of repeated sentences"
    )
    max_stutters: int | None = Field(
        default=0, ge=0, description="most phrases repeated at once ('So the So the answer is')"
    )
    max_denied: int | None = Field(
        default=None, ge=0, description="most colours, shapes and counts that the caption denies; null only measures"
    )
    max_foreign: float | None = Field(
        default=None, ge=0, le=1, description="largest share of letters outside the trace's main script"
    )
    max_leaks: int | None = Field(default=None, ge=0, description="most mentions of the caption")
    max_cues: int | None = Field(
        default=None, ge=0, description="most reflection cues (VLAA sends these to RL, not SFT)"
    )
    contradictions: bool = Field(
        default=True,
        description="drop traces that name or imply another answer, or another option's letter, than they give",
    )
    max_unvouched: int | None = Field(
        default=None,
        ge=0,
        description="most colours and shapes that neither question nor answer names: the caption alone vouches for them",
    )
    on_question: bool = Field(
        default=False,
        description="drop traces of yes-or-no questions whose thought names nothing that the question asks about",
    )
    leaks: tuple[str, ...] = Field(
        default=LEAKS, description="regular expressions, in Rust's syntax, that find a mention of the caption"
    )
    cues: tuple[str, ...] = Field(
        default=CUES, description="regular expressions, in Rust's syntax, that find a reflection cue"
    )

    @field_validator("leaks", "cues")
    @classmethod
    def _expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            expression(pattern)
        return patterns

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise ValueError(
                f"no trace has at least {self.min_tokens} and at most {self.max_tokens} tokens; swap the limits"
            )
        return self


def measure_traces(traces: pl.DataFrame, config: QualityConfig) -> pl.DataFrame:
    """Add the measures to traces (`id, reasoning, tokens, finish_reason`), without dropping any.

    New columns: `words`, `repeated_ngrams` and `repeated_sentences` (shares, 0 where there is one or none), `stutters`,
    `foreign` (share of letters outside the main script; Greek and LaTeX commands are mathematics, so they are nobody's),
    `leaks`, `cues` (counts), `truncated`, `conclusions` (the answers that the reasoning gives, as it says them), `denied`
    (what the caption denies) and `unvouched` (what the caption alone vouches for). The last two want the columns `caption,
    question, stated`: what a trace was shown, asked and answers, and are null without a caption.
    """
    text = pl.col("reasoning").fill_null("")
    concluding = traces.select(pl.when(text.str.contains(MAY_CONCLUDE)).then(text)).to_series()
    return traces.with_columns(
        *circling(traces["reasoning"], config.ngram),
        repeated_sentences=repeated_sentences(text),
        foreign=_foreign(traces.select(_mixed(text)).to_series()),
        leaks=mentions(text, config.leaks),
        cues=mentions(text, config.cues),
        truncated=pl.col("finish_reason") == "length",
        conclusions=pl.Series([conclusions(t) for t in concluding], dtype=pl.List(pl.String)),
        denied=pl.Series(_denied(traces), dtype=pl.List(pl.String)),
        unvouched=pl.Series(_unvouched(traces), dtype=pl.List(pl.String)),
    )


def _unvouched(traces: pl.DataFrame) -> list[list[str] | None]:
    if "caption" not in traces.columns:
        return [None] * traces.height
    columns = traces.select("caption", "reasoning", "question", "stated").iter_rows()
    return [None if caption is None else unvouched(*row) for caption, *row in columns]


def _denied(traces: pl.DataFrame) -> list[list[str] | None]:
    if "caption" not in traces.columns:
        return [None] * traces.height
    columns = traces.select("reasoning", "caption", "question", "stated").iter_rows()
    return [None if row[1] is None else denied(*row) for row in columns]


def drop_poor(measured: pl.DataFrame, config: QualityConfig) -> Split:
    """Keep the traces within every limit that is set.

    Reasons: `quality:` and `too_short`, `too_long`, `truncated`, `repeated_ngrams`, `repeated_sentences`, `stutters`,
    `language`, `leaks`, `cues`, `caption_denies`, `unvouched`, `contradiction`, `off_question`; evidence: the sample, the
    measure and the limit, what a contradiction concluded, what the caption denies.
    """
    limits = (
        ("too_short", pl.col("tokens"), config.min_tokens, False),
        ("too_long", pl.col("tokens"), config.max_tokens, True),
        ("repeated_ngrams", pl.col("repeated_ngrams"), config.max_repeated_ngrams, True),
        ("repeated_sentences", pl.col("repeated_sentences"), config.max_repeated_sentences, True),
        ("stutters", pl.col("stutters"), config.max_stutters, True),
        ("language", pl.col("foreign"), config.max_foreign, True),
        ("leaks", pl.col("leaks"), config.max_leaks, True),
        ("cues", pl.col("cues"), config.max_cues, True),
        ("caption_denies", pl.col("denied").list.len(), config.max_denied, True),
        ("unvouched", pl.col("unvouched").list.len(), config.max_unvouched, True),
    )
    reason, measure, bound = pl.lit(None, pl.String), pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)
    flags = (
        ("truncated", config.truncated, "truncated"),
        ("contradiction", config.contradictions, "contradicts"),
        ("off_question", config.on_question, "off_question"),
    )
    for cause, wanted, column in flags:
        if wanted:
            reason = pl.coalesce(reason, pl.when(pl.col(column)).then(pl.lit(f"quality:{cause}")))
    for cause, value, limit, upper in limits:
        if limit is not None:
            out = reason.is_null() & ((value > limit) if upper else (value < limit)).fill_null(False)
            measure, bound = pl.when(out).then(value).otherwise(measure), pl.when(out).then(limit).otherwise(bound)
            reason = pl.when(out).then(pl.lit(f"quality:{cause}")).otherwise(reason)
    stated = pl.when(reason == "quality:contradiction").then(pl.col("concluded"))
    words = pl.when(reason == "quality:caption_denies").then(pl.col("denied").list.join(", "))
    evidence = {
        "sample_id": pl.col("sample_id"),
        "measured": measure,
        "limit": bound,
        "concluded": stated,
        "denied": words,
    }
    return split(measured, reason, evidence)


def _mixed(text: pl.Expr) -> pl.Expr:
    """Texts that have letters of other scripts than Latin and Greek; null for others."""
    others = "".join(rf"\p{{{script}}}" for script in _SCRIPTS if script != "Latin")
    beyond = pl.when(text.str.len_bytes() > text.str.len_chars()).then(text)  # in Latin letters alone none is foreign
    written = beyond.str.replace_all(r"\\[A-Za-z]+", " ")
    return pl.when(written.str.contains(f"[{others}{_EAST}]")).then(written)


def _foreign(texts: pl.Series) -> pl.Expr:
    """The share of letters outside the main script, of texts as `_mixed` gives them: a series, for of an expression polars
    makes the texts anew for each script."""
    mixed = pl.lit(texts)
    counts = [
        *(mixed.str.count_matches(rf"\p{{{script}}}") for script in _SCRIPTS),
        mixed.str.count_matches(f"[{_EAST}]"),
    ]
    total = pl.sum_horizontal(counts)
    return pl.when(total > 0).then(1 - pl.max_horizontal(counts) / total).otherwise(0.0)


def mentions(text: pl.Expr, patterns: tuple[str, ...]) -> pl.Expr:
    """Mentions of any of the patterns; overlapping ones count once."""
    if patterns == LEAKS:
        text = pl.when(text.str.contains(_MAY_LEAK)).then(text).otherwise(pl.lit(""))
    return text.str.count_matches("(?i)" + "|".join(f"(?:{p})" for p in patterns)) if patterns else pl.lit(0, pl.UInt32)
