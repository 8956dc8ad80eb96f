"""All checks, and the two functions that the step needs: rows to ask about, and requests made of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from generators.checks.caption_only import CaptionOnly
from generators.checks.check import Check, Refusal, Setting
from generators.checks.frame_shuffle import FrameShuffle
from generators.checks.guess import DropCot, Guess
from generators.checks.images import EvidenceMask, GreyImage, PatchMask, RandomMask
from generators.checks.material import Material
from generators.checks.option_shuffle import OptionShuffle
from generators.checks.question_form import QuestionForm
from generators.checks.reverify import Reverify
from generators.checks.text_only import TextOnly
from generators.checks.variant import VARIANT, read_messages, render, variant_id
from generators.checks.vote import Vote
from generators.rendering import RenderError
from schemas.completion import Request, Sampling
from schemas.ids import canonical_json
from schemas.split import DROPPED, Split

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


def variants(samples: Iterable[Material], checks: Sequence[Check], setting: Setting) -> Split:
    """Rows of VARIANT for every sample and check, and the variants that cannot be made (`variants:<cause>`)."""
    rows: list[dict[str, Any]] = []
    refused: list[tuple[str, str, str]] = []
    for sample in samples:
        for check in checks:
            for change in check.changes(sample, setting):
                try:
                    if not isinstance(change, Refusal):
                        rows.append(render(check, sample, setting, change))
                        continue
                    refusal = change
                except RenderError as error:  # such as a field of the prompt that is null
                    refusal = Refusal(change.base, error.cause, {"error": str(error)})
                evidence = {"sample_id": sample.id, "check": check.label, "base": refusal.base, **refusal.evidence}
                id_ = variant_id(sample.id, check.label, refusal.base)
                refused.append((id_, f"variants:{refusal.reason}", canonical_json(evidence)))
    return Split(pl.DataFrame(rows, schema=VARIANT), pl.DataFrame(refused, schema=DROPPED, orient="row"))


def requests(rows: pl.DataFrame) -> Iterator[Request]:
    """One request for each row of VARIANT."""
    samplings: dict[str, Sampling] = {}
    for row in rows.iter_rows(named=True):
        text = row["sampling"]
        if text not in samplings:
            samplings[text] = Sampling.model_validate(json.loads(text))
        yield Request(row["id"], read_messages(row["messages"]), samplings[text], row["n"], row["prefix"])
