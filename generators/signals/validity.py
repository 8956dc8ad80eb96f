"""How much the question changes whether a frozen model takes the gold for a valid answer.

CVS, the conditional verdict shift (arXiv 2603.09715): `P(valid | image, question, answer) - P(valid | image, answer)`, where
P(valid) is the probability that a frozen judge's reply begins with "Yes". Where it is near 0 the question does not matter
(the answer is right of the image anyway, or never); below 0 question and answer conflict, and the sample is dropped. Their
prompt is not ours, and whether P(valid) is held against "No" is not in the public text: `no` says so.
"""

from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

from generators.template import Template, reading_only
from schemas.section import Section

PROMPT = """\
{% if question %}Question: {{ question }}
{% endif %}Answer: {{ answer }}
Judged by the image, is this a valid answer? Reply with Yes or No."""

READS = ("answer", "question")


def _asks_both(prompt: str) -> str:
    """A prompt that shows the answer, and the question where there is one."""
    template = Template(str(reading_only(prompt, READS)))
    if {ref[0] for ref in template.references} != set(READS) or not template.handles(("question",)):
        raise ValueError(
            "this prompt shows the answer, and the question where there is one: "
            "{% if question %}{{ question }}{% endif %} {{ answer }}"
        )
    return prompt


class ValidityConfig(Section):
    """How the judge is asked, and which of its words say that an answer is valid."""

    prompt: Annotated[str, AfterValidator(_asks_both)] = Field(
        default=PROMPT, description="a template of `question`, which is null the second time, and `answer`, the gold"
    )
    yes: str = Field(default="Yes", min_length=1, description="the reply that calls an answer valid")
    no: str | None = Field(
        default=None, min_length=1, description="the other one: P(valid) = P(yes) / (P(yes) + P(no)); null: P(yes)"
    )


ASKED, UNASKED = "asked", "unasked"


def variants(config: ValidityConfig) -> dict[str, tuple[bool, str]]:
    """What the judge is made to say: by the variant's name, whether the question is shown, and the word."""
    words = {"": config.yes} | ({} if config.no is None else {":no": config.no})
    return {f"{name}{end}": (name == ASKED, word) for name in (ASKED, UNASKED) for end, word in words.items()}


def total_logprob(values: pl.DataFrame) -> pl.DataFrame:
    """`key, logprob` (of the whole word, natural log) of each text of `values` (`key` and `LOGPROBS`)."""
    return values.filter(pl.col("logprobs").list.len() > 0).select(
        "key", logprob=pl.col("logprobs").cast(pl.List(pl.Float64())).list.sum()
    )


def verdict_shift(config: ValidityConfig) -> dict[str, pl.Expr]:
    """`valid, valid_unasked, cvs` of a row, over its texts `variant, logprob`; null where one of them was not read."""

    def logprob(variant: str) -> pl.Expr:
        return pl.col("logprob").filter(pl.col("variant") == variant).first()

    def valid(variant: str) -> pl.Expr:
        yes = logprob(variant)
        return yes.exp() if config.no is None else 1 / (1 + (logprob(f"{variant}:no") - yes).exp())

    return {"valid": valid(ASKED), "valid_unasked": valid(UNASKED), "cvs": valid(ASKED) - valid(UNASKED)}
