"""The step `agree`: do the answers of several steps reach each other, or those of one step the gold?

Equality is that of the verifiers: of two answers each is taken as the gold and the other judged by it, under the kind of
the row's own gold, with its parameters and options. WeThink (arXiv 2506.07905) keeps a synthesized question where two
models agree and asks a third where they do not.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product

import polars as pl
from pydantic import Field

from filters.children import children_of
from filters.reads import gold_reads
from filters.verify.verdicts import Asked, Gold, Golds, judge
from schemas.answer import TextAnswer
from schemas.answer_span import answer_span
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read


class AgreeConfig(StepConfig):
    """Whose answers are compared."""

    between: tuple[str, ...] = Field(
        min_length=1, description="the steps whose answers are compared with each other; of one step: with the gold"
    )
    column: str = Field(default="final", description="the column of those steps' rows that holds the answer")


def reads(config: AgreeConfig, known: Known) -> Reads:
    """The gold, whose kind says what is equal, and the answers of each step."""
    golds = gold_reads(config.of or "sample", known)
    return Reads(golds, {step: Beside(step, {"given": read(config.column, pl.String())}) for step in config.between})


def body(tables: Tables, config: AgreeConfig, context: Context) -> Out:
    """`id, agreed` of every row: true where all answers that can be compared reach each other, false where two do not.

    Null where nothing could be compared: an answer is missing, does not read as one of the kind, or no rule can score it.
    """
    given = [_answers(tables.rows, tables.beside[step]) for step in config.between]
    owners: list[str] = []
    asked: list[Asked] = []
    for id_, gold in _golds(tables.rows):
        comparisons = list(_comparisons(gold, [answers.get(id_, ()) for answers in given]))
        owners += [id_] * len(comparisons)
        asked += comparisons
    verdicts = judge(asked, context.verifiers())
    decided = [(id_, v.correct) for id_, v in zip(owners, verdicts, strict=True) if v.parsed_response is not None]
    table = pl.DataFrame(decided, schema={"id": pl.String, "reached": pl.Boolean}, orient="row")
    # Where nothing was decided, `all` would call it true.
    agreed = table.drop_nulls().group_by("id").agg(agreed=pl.col("reached").all())
    return Out(tables.rows.select("id").join(agreed, on="id", how="left", maintain_order="left"))


def _answers(rows: pl.DataFrame, below: pl.DataFrame) -> dict[str, Sequence[str]]:
    """The distinct answers by the row that they belong to."""
    found = children_of(rows, below).filter(pl.col("given").str.strip_chars() != "").sort("owner", "id")
    return dict(found.group_by("owner").agg(pl.col("given").unique(maintain_order=True)).iter_rows())


def _golds(rows: pl.DataFrame) -> Iterator[tuple[str, Gold]]:
    golds = Golds()
    for id_, answer, verifier, options in rows.select("id", "answer", "verifier", "options").iter_rows():
        if answer is not None:
            yield id_, golds.read(answer, verifier, options)


def _comparisons(gold: Gold, given: Sequence[Iterable[str]]) -> Iterator[Asked]:
    if len(given) == 1:
        yield from ((gold, answer, "plain") for answer in given[0])
    for some, others in combinations(given, 2):
        for one, other in product(some, others):
            # Both ways, because an alias or a tolerance may hold one way only.
            yield _as_gold(gold, one), other, "plain"
            yield _as_gold(gold, other), one, "plain"


def _as_gold(gold: Gold, answer: str) -> Gold:
    """An answer in the gold's place. It is read as one of the kind where it is judged, in a process that can be stopped."""
    raw = answer if gold.whole else answer_span(answer, "plain") or answer
    words = TextAnswer(raw=raw, value=raw)
    return Gold(words, gold.verifier or gold.answer.kind, gold.params, gold.options, gold.kind, gold.whole)


STEP = StepType(
    name="agree",
    summary="asks whether answers reach each other, or the gold",
    version=1,
    config=AgreeConfig,
    reads=reads,
    gives=lambda config, known: Gives({"agreed": pl.Boolean()}),
    body=body,
    of="sample",
    scope=lambda config: "sample",
    verdict=True,
)
