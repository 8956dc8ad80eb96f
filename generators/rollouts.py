"""Rollouts: the student VLM answers each question n times, with the picture. What it gets right is the difficulty."""

from collections.abc import Iterator
from typing import Annotated

import polars as pl
from pydantic import Field, model_validator

from generators.outcomes import failure
from generators.prompts import Prompt, asked, knows
from schemas.adaptive import AdaptiveConfig
from schemas.completion import Request, Sampling
from schemas.ids import content_id
from schemas.section import Section
from schemas.split import Split, split


class RolloutsConfig(Section):
    """How the student is asked."""

    model: str | tuple[str, ...] = Field(
        min_length=1, description="a name from `models`, or several; the first is the student that selection reads"
    )
    system: str | None = None
    prompt: Annotated[str, knows("question")] = Field(
        default="{question}", description="{question}; options stand in the question"
    )
    n: int = Field(default=8, ge=1, description="rollouts a question")
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=2048)
    tags: str = Field(
        default="plain",
        description="where the student's reply gives its answer (a tag schema); one with tags wants a `system` or a "
        "`prompt` that asks for them",
    )

    adaptive: AdaptiveConfig | None = Field(
        default=None, description="stop early where the answers so far decide; n is then the most that is asked"
    )

    @model_validator(mode="after")
    def _band_of_n(self) -> "RolloutsConfig":
        band = self.adaptive.band if self.adaptive else None
        if band is not None and band[1] > self.n:
            raise ValueError(f"adaptive.band counts right answers out of n = {self.n}, so it cannot end at {band[1]}")
        return self

    @property
    def asked(self) -> Prompt:
        """How the students are asked."""
        return Prompt(self.system, self.prompt)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all students, the first one first."""
        return (self.model,) if isinstance(self.model, str) else self.model


COLUMNS = ("id", "media", "question", "options")


def requests(rows: pl.DataFrame, config: RolloutsConfig) -> Iterator[Request]:
    """One request a row, all n samples in it, so that a picture is encoded once."""
    for row in rows.iter_rows(named=True):
        yield Request(row["id"], asked(row, config.asked), config.sampling, n=config.n)


def collect(answers: pl.DataFrame, config: RolloutsConfig) -> Split:
    """Rollouts: `id, sample_id, model, index, text, finish_reason, tokens`. A cut-off one is kept: it is an outcome."""
    ids = [content_id(["rollout", *row]) for row in answers.select("id", "model", "index").iter_rows()]
    rows = answers.with_columns(
        pl.col("id").alias("sample_id"),
        pl.Series("id", ids, dtype=pl.String),
        pl.col("completion_tokens").alias("tokens"),
    )
    evidence = {"sample_id": pl.col("sample_id"), "error": pl.col("error")}
    parted = split(rows, failure("rollouts", truncated_drops=False), evidence)
    columns = ("id", "sample_id", "model", "index", "text", "finish_reason", "tokens")
    return Split(parted.kept.select(columns), parted.dropped)
