"""The step `quality`: how well traces are written (`filters.trace_quality`), as columns, and limits that drop.

What a trace concludes on the way is held against the answer that it gives. Of a right trace that is the gold, with all its
spellings; of any other it is the trace's own answer, so that a wrong trace is dropped for what it says, not for being wrong.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl
from pydantic import Field

from filters.reads import gold_reads, number, of_sample
from filters.trace_quality import QualityConfig, drop_poor, measure_traces
from filters.trace_verdicts import contradictions, given, off_question
from filters.verify.gold import GoldUnparseableError, parse_gold
from schemas.answer import TextAnswer, dump_answer
from schemas.reply import only_states
from schemas.sample import ANSWER, VERIFIER
from schemas.split import named, split
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read


class QualityStepConfig(QualityConfig, StepConfig):
    """What is measured by, and the limits."""

    caption: str = Field(default="caption", description="the column with what a blind model was shown of the images")
    thought: bool = Field(
        default=True, description="drop traces that have no thought, or one that only states the answer"
    )


COLUMNS: Mapping[str, pl.DataType] = {
    "words": pl.Int32(),
    "repeated_ngrams": pl.Float64(),
    "repeated_sentences": pl.Float64(),
    "stutters": pl.Int32(),
    "foreign_share": pl.Float64(),
    "leaks": pl.Int32(),
    "cues": pl.Int32(),
    "truncated": pl.Boolean(),
    "no_thought": pl.Boolean(),
    "denied": pl.List(pl.String()),
    "unvouched": pl.List(pl.String()),
    "contradicts": pl.Boolean(),
    "concluded": pl.String(),
    "off_question": pl.Boolean(),
}
"""The measures of `filters.trace_quality.measure_traces` and `filters.trace_verdicts.contradictions`. `foreign_share` is its
`foreign`, which SQL keeps for itself; `no_thought` says that nothing leads to the answer but its own statement."""


def reads(config: QualityStepConfig, known: Known) -> Reads:
    """The trace, its sample's question and gold, the caption; lengths only have to be there where a limit asks for them."""
    of = config.of or "trace"
    sized = config.min_tokens is not None or config.max_tokens is not None
    return Reads(
        {
            "reasoning": read("reasoning", pl.String()),
            "final": read("final", pl.String()),
            "correct": read("correct", pl.Boolean(), optional=True),
            "tokens": number("tokens", of, known, optional=not sized),
            "finish_reason": read("finish_reason", pl.String(), optional=not config.truncated),
            "question": read(of_sample("question", of, known), pl.String()),
            "caption": read(config.caption, pl.String(), optional=config.caption == "caption"),
            **gold_reads(of, known),
        }
    )


def body(tables: Tables, config: QualityStepConfig, context: Context) -> Out:
    """`id` and `COLUMNS` of the traces within the limits.

    Reasons: `no_thought`, and those of `filters.trace_quality.drop_poor`, after the step's name.
    """
    held = _held(tables.rows)
    measured = measure_traces(held, config)
    concluded = contradictions(measured, context.verifiers())
    silent = held["final"].is_null()
    concluded = concluded.with_columns(pl.when(silent).then(None).otherwise(pl.all()).name.keep())
    bare = [not (text or "").strip() or only_states(text or "") for text in held["reasoning"]]
    no_thought = pl.Series("no_thought", bare, dtype=pl.Boolean)
    rows = measured.hstack(concluded).with_columns(off_question(measured), no_thought)
    without = pl.when(pl.col("no_thought") & config.thought).then(pl.lit("quality:no_thought"))
    thought = split(rows, without, {name: pl.col(name) for name in ("sample_id", "words", "final")})
    within = drop_poor(thought.kept, config)
    drops = named(pl.concat([thought.dropped, within.dropped]), context.name)
    kept = within.kept.rename({"foreign": "foreign_share"})
    return Out(kept.select("id", *(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())), drops)


_HELD = pl.Schema({"answer": ANSWER, "verifier": VERIFIER, "stated": pl.String()})


class _Held(NamedTuple):
    answer: dict[str, Any]
    verifier: dict[str, Any]
    stated: str


def _held(rows: pl.DataFrame) -> pl.DataFrame:
    """Traces with what each is held to in place of the gold, and `stated`, all words of its answer."""
    columns = rows.select("final", "answer", "verifier", "options", "correct").iter_rows()
    found = [_held_to(*row) for row in columns]
    return rows.with_columns(pl.DataFrame(found, schema=_HELD, orient="row"))


def _held_to(
    final: str | None,
    answer: dict[str, Any] | None,
    verifier: dict[str, Any] | None,
    options: list[str] | None,
    correct: bool | None,
) -> _Held:
    if correct and answer is not None:
        return _Held(answer, verifier or {"id": answer["kind"], "params": "{}"}, given(final, answer))
    kind = answer["kind"] if answer else "text"
    own = {"kind": kind, "raw": final or "", "parsed": dump_answer(_read(kind, final or "", options))}
    return _Held(own, verifier or {"id": kind, "params": "{}"}, given(final, own))


def _read(kind: str, raw: str, options: list[str] | None) -> Any:
    """An answer as a gold of the kind where that costs a look; all else is read where it is judged."""
    if kind in {"boolean", "choice"}:
        try:
            return parse_gold(kind, raw, options=options or ())
        except GoldUnparseableError:
            pass
    return TextAnswer(raw=raw, value=raw)


STEP = StepType(
    name="quality",
    summary="measures how well traces are written, and drops those beyond the limits",
    version=1,
    config=QualityStepConfig,
    reads=reads,
    gives=lambda config, known: Gives(COLUMNS),
    body=body,
    of="trace",
    verdict=True,
)
