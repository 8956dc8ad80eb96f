"""Trim: cut a text after a share of its words, at a cue or before its answer, so that a model can go on from there.

MPO (arXiv 2411.10442, "dropout next-token prediction") cuts a response at half of its words and has it continued without
the image; what comes is the rejected half of a pair. A cue cuts where a thought turns ("Wait,"), or in front of the
conclusion ("Final answer:"). A thought without its stated answer is what somebody else has to conclude from, if it is to be
believed: traces that were written with the gold in view (LLaVA-CoT, Reason-RFT) may justify what they do not reach.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from schemas.split import split
from schemas.stated_answer import without_answer
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

Cue = Annotated[str, Field(pattern=r"\S")]
UNIT = "trace"

_TEXTS = ("reasoning", "text")
"""The columns that are cut where none is named: a row's reasoning, else its text."""


class TrimConfig(StepConfig):
    """Where the text is cut, and what becomes of rows that it cannot be cut in."""

    column: str | None = Field(
        default=None, description="the text that is cut; null: `reasoning`, and `text` where a row has no reasoning"
    )
    words: float | None = Field(
        default=None, gt=0, lt=1, description="keep this share of its words from the start, rounded down"
    )
    after: tuple[Cue, ...] = Field(default=(), description="cut behind the first of these cues, any case, whole words")
    before: tuple[Cue, ...] = Field(default=(), description="cut in front of the first of these cues")
    answer: bool = Field(
        default=False, description="cut what states the answer off the end; a text that does not state it stays whole"
    )
    at: Literal["first", "last"] = Field(default="first", description="which occurrence of a cue it is cut at")
    uncut: Literal["drop", "keep"] = Field(
        default="drop",
        description="rows without a text, without a cue or of which nothing is left: drop them, or give null",
    )
    gives: dict[str, Literal["text"]] | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="the name of the column it gives, `{name: text}`; null: the step's own",
    )

    @field_validator("after", "before", mode="before")
    @classmethod
    def _one_cue(cls, cues: object) -> object:
        return (cues,) if isinstance(cues, str) else cues

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.words is not None) + bool(self.after) + bool(self.before) + self.answer != 1:
            raise ValueError("say where to cut: one of `words`, `after`, `before` and `answer`")
        return self

    @property
    def given(self) -> str:
        """The name of the column that it gives."""
        return next(iter(self.gives or ()), None) or self.as_ or "trim"


def first_words(text: str, share: float, words: int | None = None) -> str:
    """The first `share` of the words of a text, rounded down to whole words, with the blanks between them as they were.

    `words` is how many it has, where that is known.
    """
    words = len(text.split()) if words is None else words
    kept = int(words * Fraction(str(share)))
    return text.rsplit(None, words - kept)[0] if kept else ""


def opening(
    text: str, config: TrimConfig, answer: str | None = None, words: int | None = None
) -> tuple[str | None, str | None]:
    """What is left of a text from its start, and the cause where it cannot be cut: one of the two is None."""
    if not text.strip():
        return None, "no_text"
    if config.words is not None:
        kept = first_words(text, config.words, words)
    elif config.answer:
        kept = without_answer(text, answer)
    else:
        places = list(_places(text, config.after or config.before))
        if not places:
            return None, "no_cue"
        start, end = places[0] if config.at == "first" else places[-1]
        kept = text[:end] if config.after else text[:start]
    kept = kept.rstrip()
    return (kept, None) if kept.strip() else (None, "nothing_left")


def trim(rows: pl.DataFrame, config: TrimConfig) -> pl.DataFrame:
    """`id, opening, cause, words` of rows with their texts, in their order.

    The text is `reasoning` where the rows have one that is not blank, else `text`; `opening` is what is left of it, `cause`
    (`no_text`, `no_cue`, `nothing_left`) why it cannot be cut, `words` (Int32) how many words it has.
    """
    names = [name for name in _TEXTS if name in rows.columns]
    texts = [next((text for text in row if text and text.strip()), "") for row in rows.select(names).iter_rows()]
    answers = rows["final"] if "final" in rows.columns else [None] * rows.height
    words = [len(text.split()) for text in texts]
    each = zip(texts, answers, words, strict=True)
    found = [(*opening(text, config, given, count), count) for text, given, count in each]
    schema = {"opening": pl.String, "cause": pl.String, "words": pl.Int32}
    return pl.DataFrame(found, schema=schema, orient="row").insert_column(0, rows["id"])


def _places(text: str, cues: Sequence[Cue]) -> Iterator[tuple[int, int]]:
    """Start and end of each cue in a text. A cue is literal; where it begins or ends with a letter, a word does too."""
    patterns = [
        (r"\b" if cue[0].isalnum() else "") + re.escape(cue) + (r"\b" if cue[-1].isalnum() else "")
        for cue in sorted((cue.strip() for cue in cues), key=len, reverse=True)
    ]
    return (match.span() for match in re.finditer("|".join(patterns), text, re.IGNORECASE))


def _reads(config: TrimConfig, known: Known) -> Reads:
    there = known.types(config.of or UNIT)
    answer = {"final": read("final", pl.String())} if config.answer and "final" in there else {}
    if config.column is not None:
        return Reads({"text": read(config.column, pl.String())} | answer)
    texts = {name: read(name, pl.String()) for name in _TEXTS if name in there}
    return Reads((texts or {"text": read("text", pl.String())}) | answer)


def _gives(config: TrimConfig, known: Known) -> Gives:
    return Gives({config.given: pl.String()})


def _body(tables: Tables, config: TrimConfig, context: Context) -> Out:
    found = trim(tables.rows, config)
    reason = pl.lit(f"{context.name}:") + pl.col("cause") if config.uncut == "drop" else pl.lit(None, pl.String)
    kept, dropped = split(found, reason, {"words": pl.col("words")})
    return Out(kept.select("id", pl.col("opening").alias(config.given)), dropped)


STEP = StepType(
    name="trim",
    summary="cuts a text after a share of its words, at a cue, or before its answer",
    version=1,
    config=TrimConfig,
    reads=_reads,
    gives=_gives,
    body=_body,
    of=UNIT,
)
