"""Segment: cut a reasoning into the steps that a process reward is measured on.

The data of VisualPRM (arXiv 2503.10291) and of MPO's process branch split a response at blank lines and hold at most twelve
steps: where there are more, ceil(steps / 12) neighbours at a time are put together (`split_response` in
`internvl_chat/tools/reasoning_data_pipeline/visualprm_data_pipeline.py` of OpenGVLab/InternVL). So a response of 13 steps
comes to 7. Blank pieces, which that code keeps, are none here.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import polars as pl
from pydantic import Field, field_validator

from schemas.expressions import expression, matches
from schemas.ids import content_id
from schemas.section import Section
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

LONGEST_PATTERN = 200
"""Characters of a custom pattern. Matching takes linear time, whatever the pattern."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Put around matches. Unicode keeps these code points out of texts; where a text holds them all the same, it loses them."""


class _Rule(NamedTuple):
    """What parts a text: a pattern, and whether a match goes with the piece `before` it, `after` it, or with `none`."""

    pattern: str
    match: Literal["before", "after", "none"]


RULES: dict[str, _Rule] = {
    "blank_line": _Rule(r"\n[^\S\n]*\n\s*", "none"),
    "newline": _Rule(r"\s*\n\s*", "none"),
    "sentence": _Rule(r"[.!?…]+[\"'”’)\]*]*\s+|[。！？]+[”’」）]*\s*|\s*\n\s*\n\s*", "before"),
    "step_tag": _Rule(r"(?i)<step\b[^<>]{0,40}>|(?m:^[^\S\n]*(?:#{1,6}[^\S\n]*)?(?:\*\*)?step[^\S\n]*\d+\b)", "after"),
}
"""The ways to split by name."""

_NO_SENTENCE = re.compile(
    r"^\s*\(?(?:\d{1,3}|[A-Za-z])[.)]$|\b(?:e\.g|i\.e|etc|vs|approx|resp|Fig|Eq|No|Dr|Mr|Mrs|Ms|St|cf)\.$"
)
"""How a piece ends that the next one goes on: the number of a list by itself, or an abbreviation."""


class Pattern(Section):
    """A regular expression (Rust's syntax: no look-around, no back-references) that matches what separates steps."""

    pattern: str = Field(min_length=1, max_length=LONGEST_PATTERN, description="a regular expression, in Rust's syntax")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if matches(expression(pattern), [""])[0]:
            raise ValueError("it matches the empty text, so it would split between any two letters")
        return pattern


class SegmentConfig(StepConfig):
    """Which text is split, at what, and into how many pieces at most."""

    column: str = Field(default="text", description="the text that is split")
    split_at: Literal["blank_line", "newline", "sentence", "step_tag"] | Pattern = Field(
        default="blank_line", description="what separates two steps, by name or as `{pattern: …}`"
    )
    most: int = Field(default=12, ge=1, le=1000, description="more steps than that are put together, evenly")


class Segment(NamedTuple):
    """A piece of a text: the text so far, to which it is the next step, and itself without blanks around it."""

    before: str
    text: str


def segments(text: str, split_at: str | Pattern = "blank_line", most: int = 12) -> list[Segment]:
    """The steps of a text, in order. `before + text` of each is the beginning of `text`; a blank text has none."""
    return _segments(pl.Series([text], dtype=pl.String), split_at, most)[0]


def _segments(texts: pl.Series, split_at: str | Pattern, most: int) -> list[list[Segment]]:
    rule = RULES[split_at] if isinstance(split_at, str) else _Rule(split_at.pattern, "none")
    clean = texts.fill_null("").str.replace_all(f"[{_OPEN}{_CLOSE}]", "")
    marked = clean.str.replace_all(rule.pattern, _OPEN + "${0}" + _CLOSE)
    found = []
    for text, shown in zip(clean, marked, strict=True):
        spans = [span for span in _spans(shown, rule) if text[slice(*span)].strip()]
        if split_at == "sentence":
            spans = _sentences(text, spans)
        found.append([_segment(text, *span) for span in _evenly(spans, most)])
    return found


def _spans(marked: str, rule: _Rule) -> list[tuple[int, int]]:
    """Start and end of each piece, of a text whose matches are marked; the places are those of the text without marks."""
    spans, start, place = [], 0, 0
    for number, piece in enumerate(re.split(f"[{_OPEN}{_CLOSE}]", marked)):
        begin, place = place, place + len(piece)
        if number % 2:
            spans.append((start, place if rule.match == "before" else begin))
            start = begin if rule.match == "after" else place
    return [*spans, (start, place)]


def _sentences(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    goes_on = False
    for start, end in spans:
        joined.append((joined.pop()[0] if goes_on else start, end))
        goes_on = _NO_SENTENCE.search(text[start:end].rstrip()) is not None
    return joined


def _evenly(spans: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    together = max(1, -(-len(spans) // most))
    parts = [spans[at : at + together] for at in range(0, len(spans), together)]
    return [(part[0][0], part[-1][1]) for part in parts]


def _segment(text: str, start: int, end: int) -> Segment:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Segment(text[:start], piece.strip())


def segment(rows: pl.DataFrame, config: SegmentConfig, name: str) -> pl.DataFrame:
    """`id, parent_id, text, place, before` of the steps of `rows` (`id, text`), in their order; place 0 is the first."""
    made = [
        (content_id({"step": name, "of": id_, "place": place, "text": text}), id_, text, place, before)
        for id_, steps in zip(rows["id"], _segments(rows["text"], config.split_at, config.most), strict=True)
        for place, (before, text) in enumerate(steps)
    ]
    schema = {"id": pl.String, "parent_id": pl.String, "text": pl.String, "place": pl.Int32, "before": pl.String}
    return pl.DataFrame(made, schema=schema, orient="row")


def _reads(config: SegmentConfig, known: Known) -> Reads:
    return Reads({"text": read(config.column, pl.String())})


def _gives(config: SegmentConfig, known: Known) -> Gives:
    return Gives({"text": pl.String(), "place": pl.Int32(), "before": pl.String()}, makes="segment")


def _body(tables: Tables, config: SegmentConfig, context: Context) -> Out:
    made = segment(tables.rows, config, context.name)
    none = tables.rows.select("id").join(made, left_on="id", right_on="parent_id", how="anti", maintain_order="left")
    gone = [(content_id({"step": context.name, "of": id_}), f"{context.name}:no_text", "{}", id_) for id_ in none["id"]]
    return Out(made, pl.DataFrame(gone, schema={**DROPPED, "parent_id": pl.String()}, orient="row"))


STEP = StepType(
    name="segment",
    summary="splits a text into steps, each a row with the text before it",
    version=1,
    config=SegmentConfig,
    reads=_reads,
    gives=_gives,
    body=_body,
    of="trace",
)
