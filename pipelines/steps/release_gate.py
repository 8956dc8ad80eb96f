"""The trainer's own grader, asked about the golds and the right completions of a release before they go out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from filters.trace_verdicts import stated_gold
from filters.verify.round_trip import GRADED_KINDS, RoundTrip, RoundTripConfig, misread
from schemas.split import DROPPED


@dataclass
class Gate:
    """The trainer's own grader, asked about golds and completions; without one every row passes.

    `solution` is the gold in the spelling that the grader reads, and of kinds that none reads the gold itself. It judges the
    rows of a config, never a sample.
    """

    trainer: str | None
    seed: int
    drops: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._grader = (
            None if self.trainer is None else RoundTrip(RoundTripConfig(trainer=self.trainer, seed=self.seed))
        )

    def look_at(self, golds: pl.DataFrame) -> None:
        """Take golds (`answer, verifier`) as wrong answers to other rows, before any is judged."""
        if self._grader is not None:
            self._grader.look_at(_stated(golds.filter(_graded()))["stated"].to_list())

    @property
    def seen(self) -> list[str]:
        """Those of the golds, as responses state them, that rows are tried with."""
        return [] if self._grader is None else self._grader.seen

    def take(self, seen: Sequence[str]) -> None:
        """Look at what another gate has `seen`."""
        if self._grader is not None:
            self._grader.look_at(seen)

    def solutions(self, golds: pl.DataFrame) -> pl.DataFrame:
        """`sample_id, solution` of the golds (`sample_id, answer, verifier`) that the grader reads, or that none would."""
        stated = _stated(golds).with_columns(id="sample_id")
        spelled = pl.when(_graded()).then(pl.format("${}$", "stated")).otherwise("stated")
        plain = stated.select("sample_id", solution=spelled)
        if self._grader is None:
            return plain
        tried = stated.filter(_graded()).select("id", "stated", answer=pl.col("answer").struct.field("parsed"))
        graded = self._grader.golds(tried)
        self.drops.append(graded.dropped.with_columns(unit=pl.lit("sample"), sample_id="id"))
        others = plain.join(tried.select(sample_id="id"), on="sample_id", how="anti")
        return pl.concat([graded.kept.select(sample_id="id", solution="solution"), others])

    def unmarked(self, rows: pl.DataFrame, marked: pl.Series, unit: str) -> pl.DataFrame:
        """The completions whose thoughts are free of marks; the others drop as `tags`."""
        gone = rows.filter(marked).select("id", "sample_id", reason=pl.lit("tags"), evidence=pl.lit("{}"))
        self.drops.append(gone.with_columns(unit=pl.lit(unit)))
        return rows.filter(~marked)

    def whole(self, rows: pl.DataFrame, unwritten: pl.DataFrame, unit: str) -> pl.DataFrame:
        """The rows but for those (`id, sample_id, reason, evidence`) of which a text is missing, which drop."""
        self.drops.append(unwritten.with_columns(unit=pl.lit(unit)))
        return rows.join(unwritten, on="id", how="anti", maintain_order="left")

    def beyond(self, rows: pl.DataFrame, config: str, limit: int, unit: str) -> None:
        """Drop what the limit of a config leaves out. Samples are left to other configs, and drop where none holds them."""
        if unit != "sample":
            limited = json.dumps({"config": config, "limit": limit})
            gone = rows.select("id", "sample_id", reason=pl.lit("limit"), evidence=pl.lit(limited))
            self.drops.append(gone.with_columns(unit=pl.lit(unit)))

    def completions(self, rows: pl.DataFrame, tags: str, unit: str) -> pl.DataFrame:
        """The completions (as `with_texts` gives them) but for the right ones that the grader calls wrong.

        It is asked about no answer that is wrong, or of which nobody knows, and about no kind that it does not read.
        """
        if self._grader is None or self.trainer is None or "reply_correct" not in rows.columns:
            return rows
        read = GRADED_KINDS.difference(misread(self.trainer, tags))
        kind = pl.col("answer").struct.field("kind").is_in(list(read))
        asked = rows.filter(kind & pl.col("reply_correct").fill_null(False) & (pl.col("written") == tags))
        graded = self._grader.traces(asked.select("id", "sample_id", "text", "solution"))
        gone = graded.dropped.join(rows.select("id", "sample_id"), on="id", how="left")
        self.drops.append(gone.with_columns(unit=pl.lit(unit)))
        return rows.join(graded.dropped, on="id", how="anti", maintain_order="left")

    def dropped(self, name: str) -> pl.DataFrame:
        """What did not pass: `id, reason, evidence, unit, sample_id`."""
        schema = {**DROPPED, "unit": pl.String(), "sample_id": pl.String()}
        found = pl.concat([pl.DataFrame(schema=schema), *(d.select(list(schema)) for d in self.drops)])
        return found.with_columns(
            reason=pl.lit(f"{name}:") + pl.col("reason").str.replace(":", "_", literal=True)
        ).unique(["id", "reason"], maintain_order=True)


def _stated(rows: pl.DataFrame) -> pl.DataFrame:
    golds = [stated_gold(*row) for row in rows.select("answer", "verifier").iter_rows()]
    return rows.with_columns(pl.Series("stated", golds, dtype=pl.String))


def _graded() -> pl.Expr:
    return pl.col("answer").struct.field("kind").is_in(list(GRADED_KINDS))


def solution_of(answer: Mapping[str, Any]) -> str:
    """The gold of an answer as it was published: as maths where graders read maths, else bare."""
    raw: str = answer["raw"]
    return f"${raw}$" if answer["kind"] in GRADED_KINDS else raw
