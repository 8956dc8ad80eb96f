"""All checks, and the two functions that the road needs: rows to ask about, and requests made of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from generators.checks.caption_only import CaptionOnly
from generators.checks.frame_shuffle import FrameShuffle
from generators.checks.guess import DropCot, Guess
from generators.checks.option_shuffle import OptionShuffle
from generators.checks.pictures import EvidenceMask, GreyImage, PatchMask, RandomMask
from generators.checks.question_form import QuestionForm
from generators.checks.reverify import Reverify
from generators.checks.text_only import TextOnly
from generators.checks.variant import VARIANT, Material, Refusal, Setting, read_messages, render
from generators.checks.vote import Vote
from generators.outcomes import failure
from generators.rollouts import RolloutsConfig
from schemas.completion import Request, Sampling
from schemas.ids import canonical_json, content_id
from schemas.section import Section
from schemas.split import DROPPED, Split, split

CheckConfig = Annotated[
    TextOnly
    | GreyImage
    | PatchMask
    | EvidenceMask
    | RandomMask
    | OptionShuffle
    | CaptionOnly
    | DropCot
    | FrameShuffle
    | QuestionForm
    | Guess
    | Reverify
    | Vote,
    Field(discriminator="type"),
]


class ChecksConfig(Section):
    """The checks of a recipe with the rollouts that they are variants of."""

    checks: tuple[CheckConfig, ...]
    rollouts: RolloutsConfig

    def models(self) -> tuple[str, ...]:
        """The recipe's names of the models that are asked."""
        asked = (check.asks(self.rollouts) for check in self.checks)
        return tuple(dict.fromkeys(name for name in asked if name))

    def most(self) -> Mapping[str, int]:
        """The most completions that one sample may need of each model."""
        bill = dict.fromkeys(self.models(), 0)
        for check in self.checks:
            model = check.asks(self.rollouts)
            if model:
                bill[model] += check.calls(self.rollouts)
        return bill


def variants(samples: Iterable[Material], config: ChecksConfig, setting: Setting) -> Split:
    """Rows of VARIANT for every sample and check, and the variants that cannot be made (`variants:<cause>`)."""
    rows: list[dict[str, Any]] = []
    refused: list[tuple[str, str, str]] = []
    for sample in samples:
        for check in config.checks:
            for change in check.changes(sample, setting):
                if isinstance(change, Refusal):
                    id_ = content_id(["variant", sample.id, check.label, change.base])
                    evidence = {"sample_id": sample.id, "check": check.label, "base": change.base, **change.evidence}
                    refused.append((id_, f"variants:{change.reason}", canonical_json(evidence)))
                else:
                    rows.append(render(check, sample, setting, change))
    return Split(pl.DataFrame(rows, schema=VARIANT), pl.DataFrame(refused, schema=DROPPED, orient="row"))


def requests(rows: pl.DataFrame, config: ChecksConfig) -> Iterator[Request]:
    """One request a variant."""
    samplings: dict[str, Sampling] = {}
    for row in rows.iter_rows(named=True):
        text = row["sampling"]
        if text not in samplings:
            samplings[text] = Sampling.model_validate(json.loads(text))
        yield Request(row["id"], read_messages(row["messages"]), samplings[text], row["n"], row["prefix"])


def collect(answers: pl.DataFrame, config: ChecksConfig) -> Split:
    """Replies: `id, variant_id, sample_id, check, index, text, finish_reason, tokens`.

    Reasons: `check_rollouts:unanswered`, `check_rollouts:error`. A cut-off reply is kept: it is an outcome.
    """
    ids = [content_id(["reply", *row]) for row in answers.select("id", "index").iter_rows()]
    rows = answers.with_columns(
        pl.col("id").alias("variant_id"),
        pl.Series("id", ids, dtype=pl.String),
        pl.col("completion_tokens").alias("tokens"),
    )
    evidence = {"sample_id": pl.col("sample_id"), "check": pl.col("check"), "error": pl.col("error")}
    parted = split(rows, failure("check_rollouts", truncated_drops=False), evidence)
    columns = ("id", "variant_id", "sample_id", "check", "model", "index", "text", "finish_reason", "tokens")
    return Split(parted.kept.select(columns), parted.dropped)
