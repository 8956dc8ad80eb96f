"""The round-trip gate: a trainer's own grader agrees with us about every gold and every trace that is exported.

Golds and traces are judged apart. A gold that the grader cannot read drops its sample; a trace that the grader misreads
is dropped as a trace, and its sample may still be asked. What the grader reads in no trace at all, because of the recipe's
tag schema, is a mistake of the recipe (`misread`) and drops nothing.

Measured on five graders, no single encoding of a gold suits all; `$g$` with `\\boxed{g}` inside `<answer>` suits most. So
the gate tries the encodings in that order and takes the first with which the grader gives 1 on the gold and 0 on wrong
answers.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

import polars as pl
from pydantic import Field

from filters.verify.graders import GRADERS, Grader
from filters.verify.others import Others
from filters.verify.quick_grader import quick_grader
from filters.verify.verifier import verify
from schemas.answer import load_answer
from schemas.ids import seeded
from schemas.section import Section
from schemas.split import Split, split
from schemas.tags import TAG_SCHEMAS, render, thoughts

GRADED_KINDS = frozenset(("choice", "number", "expression"))
"""Kinds that trainers' own graders can judge. For all others a release's own reward function has to be used."""
_ENCODINGS = ("${}$", "\\boxed{{{}}}", "{}")
SUITS_ALL = "think_answer_boxed"
"""The tag schema that every grader reads, which need not be tried."""
_CANONICAL = {"choice": "B", "number": "7", "expression": "x+1"}


class RoundTripConfig(Section):
    """Which grader the rows must pass."""

    trainer: str = Field(description=f"one of {', '.join(GRADERS)}")
    wrong: int = Field(default=2, ge=1, description="answers of other rows that each row is tried with")
    seed: int = 0


def canonical(stated: str, reasoning: str = "…") -> str:
    """The completion shape that every grader reads: `<think>…</think><answer>\\boxed{g}</answer>`."""
    return f"<think>{reasoning}</think><answer>\\boxed{{{stated}}}</answer>"


@lru_cache(maxsize=256)
def misread(trainer: str, tags: str) -> tuple[str, ...]:
    """The graded kinds of which the grader reads no right trace in this tag schema, found by one canonical try of each."""
    if tags == SUITS_ALL:
        return ()
    grader, schema = GRADERS[trainer], TAG_SCHEMAS[tags]
    thought = dict.fromkeys(thoughts(schema), "It can be seen in the image.")
    tries = {kind: render(schema, {**thought, schema.answer: gold}) for kind, gold in _CANONICAL.items()}
    return tuple(
        kind
        for kind, gold in _CANONICAL.items()
        if all(grader(tries[kind], shape.format(gold)) != 1.0 for shape in _ENCODINGS)
    )


class RoundTrip:
    """One grader, and the golds that are wrong answers to other rows."""

    def __init__(self, config: RoundTripConfig) -> None:
        self.config = config
        self._grader: Grader = quick_grader(config.trainer)
        self._others = Others(config.seed)
        self._drawn: list[str] = []

    def look_at(self, stated: Sequence[str]) -> None:
        """Take golds (as responses state them) for wrong answers to others; before any row is judged."""
        for gold in stated:
            self._others.add(("gold",), gold)

    @property
    def seen(self) -> list[str]:
        """Those of the golds looked at that rows are tried with; to look at them alone comes to the same."""
        return self._others.of(("gold",))

    def golds(self, rows: pl.DataFrame) -> Split:
        """Adds `solution`, the gold as the grader wants it, to `id, answer, stated` (the gold as JSON, and as a response
        states it); drops samples whose gold it grades otherwise than we do under every encoding.

        Reason: `round_trip:gold`, with the grader and the first thing that it got wrong under the best encoding.
        """
        self._drawn = self._others.of(("gold",))
        columns = rows.select("id", "answer", "stated").iter_rows()
        found = [self._encode(stated, list(self._wrong(id_, answer, stated))) for id_, answer, stated in columns]
        marked = rows.with_columns(
            pl.Series("solution", [solution for solution, _ in found], dtype=pl.String),
            pl.Series("__fault", [fault for _, fault in found], dtype=pl.String),
        )
        reason = pl.when(pl.col("__fault").is_not_null()).then(pl.lit("round_trip:gold"))
        evidence = {"grader": pl.lit(self.config.trainer), "fault": pl.col("__fault"), "gold": pl.col("stated")}
        gated = split(marked, reason, evidence)
        return Split(gated.kept.drop("__fault"), gated.dropped)

    def traces(self, rows: pl.DataFrame) -> Split:
        """Drops the traces (`id, sample_id, text, solution`, all right) to which the grader does not give 1.

        Reason: `round_trip:trace`, with the grader, the solution and what the grader gave.
        """
        columns = rows.select("text", "solution").iter_rows()
        found = [fault(solution, [text], [], self._grader) for text, solution in columns]
        marked = rows.with_columns(pl.Series("__fault", found, dtype=pl.String))
        reason = pl.when(pl.col("__fault").is_not_null()).then(pl.lit("round_trip:trace"))
        evidence = {"sample_id": pl.col("sample_id"), "grader": pl.lit(self.config.trainer)}
        gated = split(marked, reason, {**evidence, "fault": pl.col("__fault"), "solution": pl.col("solution")})
        return Split(gated.kept.drop("__fault"), gated.dropped)

    def _encode(self, stated: str, wrong: list[str]) -> tuple[str | None, str | None]:
        faults = []
        for shape in _ENCODINGS:
            solution = shape.format(stated)
            about = fault(solution, [canonical(stated)], [canonical(w) for w in wrong], self._grader)
            if about is None:
                return solution, None
            faults.append(about)
        return None, faults[0]

    def _wrong(self, id_: str, answer: str, stated: str) -> Iterator[str]:
        """Golds of other rows that our own verifier calls wrong."""
        chance, gold, wanted = seeded(self.config.seed, id_), load_answer(answer), self.config.wrong
        drawn = dict.fromkeys(chance.choice(self._drawn) for _ in range(4 * wanted if self._drawn else 0))
        strangers = (text for text in drawn if text != stated)
        return islice((text for text in strangers if verify(text, gold, tags="plain").correct is False), wanted)


def fault(solution: str, right: Sequence[str], wrong: Sequence[str], grader: Grader) -> str | None:
    """The first disagreement between the grader and what is known; None when there is none."""
    for text in right:
        if (score := grader(text, solution)) != 1.0:
            return f"scores {score} on a right answer: {text[-120:]!r}"
    for text in wrong:
        if (score := grader(text, solution)) not in (0.0, None):
            return f"scores {score} on a wrong answer: {text[-120:]!r}"
    return None
