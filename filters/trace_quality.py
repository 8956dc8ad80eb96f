"""How well a trace is written: measured for every trace, a reason to drop only where the recipe says so.

By default all verified traces are kept: OpenMMReasoner (arXiv 2511.16334) measured that length and difficulty filters made
the trained model worse (55.2 without, 54.2 and 51.3 with). Every limit is therefore opt-in.

Measures, and where they come from: repeated n-grams (6 words in `om-ai-lab/VLM-R1`, 20 in VL-Cogito, arXiv 2507.22607, and
Perception-R1), repeated sentences (VisionReasoner), caption leakage (the banned words of LongPerceptualThoughts,
`andrewliao11/LongPerceptualThoughts:data_gen/`, and VLAA-Thinking, arXiv 2504.11468, step 4), reflection cues
(VLAA-Thinking, step 6).
"""

import re
from typing import Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from schemas.section import Section
from schemas.split import Split, split

LEAKS = (
    r"\b(?:the|this|given|provided|image|above) (?:caption|description)s?\b",
    r"\bdescri(?:ption|bed) (?:says?|states?|mentions?|above|in the text)\b",
    r"\b(?:caption|description) (?:says?|states?|mentions?|tells?)\b",
    r"\baccording to the (?:caption|description|text)\b",
    r"\b(?:as|is|are|was|were) (?:mentioned|stated) in the (?:caption|description|text)\b",
)
"""Ways in which a reasoner that never saw the picture gives itself away (regular expressions, case does not matter)."""

CUES = (
    r"\bwait\b",
    r"\bhmm+\b",
    r"\balternatively\b",
    r"\b(?:double|re)-?check\b",
    r"\blet me (?:re)?think\b",
    r"\baha\b",
)
"""Reflection cues. VLAA-Thinking publishes no list; these are the ones that its paper and its neighbours name."""

_SCRIPTS = ("Latin", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Thai", "Hangul")


class QualityConfig(Section):
    """Limits on traces; each is off unless set."""

    min_tokens: int | None = Field(default=None, ge=0, description="shortest trace, in the reasoner's tokens")
    max_tokens: int | None = Field(default=None, ge=1, description="longest trace, in the reasoner's tokens")
    truncated: bool = Field(default=False, description="drop traces whose reply was cut off")
    ngram: int = Field(default=6, ge=2, description="words in an n-gram")
    max_repeated_ngrams: float | None = Field(default=None, ge=0, le=1, description="largest share of repeated n-grams")
    max_repeated_sentences: float | None = Field(
        default=None, ge=0, le=1, description="largest share of repeated sentences"
    )
    max_foreign: float | None = Field(
        default=None, ge=0, le=1, description="largest share of letters outside the trace's main script"
    )
    max_leaks: int | None = Field(default=None, ge=0, description="most mentions of the caption")
    max_cues: int | None = Field(
        default=None, ge=0, description="most reflection cues (VLAA sends these to RL, not SFT)"
    )
    contradictions: bool = Field(default=False, description="drop traces that conclude another answer than they give")
    leaks: tuple[str, ...] = Field(default=LEAKS, description="regular expressions that find a mention of the caption")
    cues: tuple[str, ...] = Field(default=CUES, description="regular expressions that find a reflection cue")

    @field_validator("leaks", "cues")
    @classmethod
    def _expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                pl.select(pl.lit("").str.contains(pattern))
            except pl.exceptions.ComputeError:
                raise ValueError(f"not a regular expression: {pattern!r}") from None
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

    New columns: `words`, `repeated_ngrams` and `repeated_sentences` (shares, 0 where there is one or none),
    `foreign` (share of letters outside the main script; Greek and LaTeX commands are mathematics, so they are nobody's),
    `leaks`, `cues` (counts), `truncated`, `concluded` (the answer that the reasoning comes to, as it says it).
    """
    text = pl.col("reasoning").fill_null("")
    words = text.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    # A point inside a number or an abbreviation ends nothing.
    sentences = text.str.to_lowercase().str.replace_all(r"[.!?;]+(?:\s+|$)|[。！？；\n]+", "\n").str.split("\n")
    stripped = sentences.list.eval(pl.element().str.strip_chars()).list.eval(pl.element().filter(pl.element() != ""))
    rows = traces.with_columns(__words=words, __sentences=stripped)
    grams = pl.concat_str([pl.element().shift(-i) for i in range(config.ngram)], separator=" ").drop_nulls()
    return rows.with_columns(
        words=pl.col("__words").list.len(),
        repeated_ngrams=_repeated(pl.col("__words").list.eval(grams)),
        repeated_sentences=_repeated(pl.col("__sentences")),
        foreign=_foreign(text.str.replace_all(r"\\[A-Za-z]+", " ")),
        leaks=mentions(text, config.leaks),
        cues=mentions(text, config.cues),
        truncated=pl.col("finish_reason") == "length",
        concluded=pl.Series([concluded(t) for t in traces["reasoning"]], dtype=pl.String),
    ).drop("__words", "__sentences")


def drop_poor(measured: pl.DataFrame, config: QualityConfig) -> Split:
    """Keep the traces within every limit that is set.

    Reasons: `quality:` and `too_short`, `too_long`, `truncated`, `repeated_ngrams`, `repeated_sentences`, `language`,
    `leaks`, `cues`, `contradiction`; evidence: the sample, the measure and the limit, or what a contradiction concluded.
    """
    limits = (
        ("too_short", pl.col("tokens"), config.min_tokens, False),
        ("too_long", pl.col("tokens"), config.max_tokens, True),
        ("repeated_ngrams", pl.col("repeated_ngrams"), config.max_repeated_ngrams, True),
        ("repeated_sentences", pl.col("repeated_sentences"), config.max_repeated_sentences, True),
        ("language", pl.col("foreign"), config.max_foreign, True),
        ("leaks", pl.col("leaks"), config.max_leaks, True),
        ("cues", pl.col("cues"), config.max_cues, True),
    )
    reason, measure, bound = pl.lit(None, pl.String), pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)
    flags = (("truncated", config.truncated, "truncated"), ("contradiction", config.contradictions, "contradicts"))
    for cause, wanted, column in flags:
        if wanted:
            reason = pl.coalesce(reason, pl.when(pl.col(column)).then(pl.lit(f"quality:{cause}")))
    for cause, value, limit, upper in limits:
        if limit is not None:
            out = reason.is_null() & ((value > limit) if upper else (value < limit))
            measure, bound = pl.when(out).then(value).otherwise(measure), pl.when(out).then(limit).otherwise(bound)
            reason = pl.when(out).then(pl.lit(f"quality:{cause}")).otherwise(reason)
    said = pl.when(reason == "quality:contradiction").then(pl.col("concluded"))
    evidence = {"sample_id": pl.col("sample_id"), "measured": measure, "limit": bound, "concluded": said}
    return split(measured, reason, evidence)


def concluded(reasoning: str | None) -> str | None:
    """The answer that a reasoning comes to by itself: its last "answer is …" or `\\boxed{…}`; None where it says none."""
    said = list(_CONCLUDED.finditer(reasoning or ""))
    return next((g.strip() for g in said[-1].groups() if g), None) if said else None


_CONCLUDED = re.compile(r"(?i)\banswer is:?\s*([^\n.]+(?:\.\d+)?)|\\boxed\{([^{}]*)\}")


def _repeated(items: pl.Expr) -> pl.Expr:
    """1 − distinct / all: 0 where every item is another, near 1 where one comes over and over."""
    total = items.list.len()
    return pl.when(total > 0).then(1 - items.list.n_unique() / total).otherwise(0.0)


def _foreign(text: pl.Expr) -> pl.Expr:
    east = text.str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
    counts = [*(text.str.count_matches(rf"\p{{{script}}}") for script in _SCRIPTS), east]
    total = pl.sum_horizontal(counts)
    return pl.when(total > 0).then(1 - pl.max_horizontal(counts) / total).otherwise(0.0)


def mentions(text: pl.Expr, patterns: tuple[str, ...]) -> pl.Expr:
    """Mentions of any of the patterns; overlapping ones count once."""
    return text.str.count_matches("(?i)" + "|".join(f"(?:{p})" for p in patterns)) if patterns else pl.lit(0, pl.UInt32)
