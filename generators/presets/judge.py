"""The step `judge`: a model gives an opinion of each row, as a gate (a choice) or as a grade (a score).

It drops no row for being wrong; `drop` does, by the column that this gives. A reply that is not one of the choices counts
for nothing. With several `votes` the choice that most of the readable replies make counts, none where two are made equally
often; of scores it is their mean.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from generators.asking.body import body as one_reply
from generators.asking.config import AskConfig
from generators.asking.contract import most
from generators.asking.requests import requests as once
from generators.presets.preset import as_ask, preset
from generators.template import PromptField
from schemas.completion import Request, Sampling
from schemas.reply_shape import Form, Reply
from schemas.step import Context, Out, Tables

SYSTEM = (
    "You check answers. Decide whether the candidate answer says the same as the reference answer to the question. "
    "Wording, format and order of words do not matter; numbers, units, names and negations do. "
    "An answer that declines, hedges between several answers, or is empty is not the same."
)
PROMPT = (
    "Question:\n{{ question }}\n\nReference answer:\n{{ answer }}\n\nCandidate answer:\n{{ final }}\n\n"
    "Do they say the same? Reply with yes or no only."
)
YES_NO = Form(choice=("yes", "no"))


class JudgeConfig(AskConfig):
    """What is judged, and how. Without a prompt of its own it says whether an answer is the gold's."""

    system: PromptField | None = None
    prompt: PromptField = Field(default=PROMPT, description="unset: whether `final` says the same as the gold")
    sees: str | tuple[str, ...] = Field(default="nothing", description="media, nothing, or names of media columns")
    reply: Reply = Field(default=YES_NO, description="{choice: [keep, reject]}, {score: [0, 9]} or {fields: {…}}")
    votes: int = Field(
        default=1, ge=1, description="replies asked for; the opinion of most of the readable ones counts"
    )
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=256)

    @model_validator(mode="after")
    def _says_what_it_wants(self) -> "JudgeConfig":
        if self.prompt == PROMPT and self.reply != YES_NO:
            raise ValueError("the default prompt asks for yes or no; say with `prompt` what this `reply` answers")
        if self.votes > 1 and (self.makes is not None or self.tries > 1 or self.n > 1):
            raise ValueError(
                "`votes` are several replies of which one opinion is made; it goes without n, tries and makes"
            )
        if self.votes > 1 and self.sampling.temperature == 0:
            raise ValueError("at temperature 0 all votes are the same; raise sampling.temperature")
        return self


def expand(config: JudgeConfig) -> AskConfig:
    system = config.system or (SYSTEM if config.prompt == PROMPT else None)
    return as_ask(config, "judge", system=system)


def requests(rows: pl.DataFrame, config: JudgeConfig) -> Iterator[Request]:
    """One request a row, all its votes in it."""
    return (replace(request, n=request.n * config.votes) for request in once(rows, expand(config)))


def body(tables: Tables, config: JudgeConfig, context: Context) -> Out:
    """The opinions. A row is lost only if none of its votes can be read."""
    whole = expand(config)
    if config.votes == 1:
        return one_reply(tables, whole, context)
    votes = [one_reply(_vote(tables, index), whole, context) for index in range(config.votes)]
    rows = pl.concat(vote.rows for vote in votes if vote.rows is not None)
    opinions = [
        {"id": id_[0], **{name: _common(mine[name]) for name in rows.columns if name != "id"}}
        for id_, mine in rows.group_by("id", maintain_order=True)
    ]
    drops = pl.concat(vote.drops for vote in votes).unique("id", keep="first", maintain_order=True)
    return Out(pl.DataFrame(opinions, schema=rows.schema), drops.join(rows, on="id", how="anti", maintain_order="left"))


def _vote(tables: Tables, index: int) -> Tables:
    """The tables of one vote, as if it had been asked for alone."""
    own = tables.answers.filter(pl.col("index") == index)
    return tables._replace(answers=own.with_columns(index=pl.lit(0, own.schema["index"])))


def _common(opinions: pl.Series) -> Any:
    """The mean of scores; of others the one that is given most often, None where two are. Nulls do not count."""
    given = opinions.drop_nulls()
    if given.dtype.is_float():
        return given.mean()
    counts = given.value_counts(sort=True).head(2)
    tied = counts.height == 2 and counts["count"][0] == counts["count"][1]
    return None if tied or not counts.height else counts[given.name][0]


STEP = preset(
    "judge",
    "gives a model's opinion of rows",
    JudgeConfig,
    expand,
    of="trace",
    body=body,
    requests=requests,
    most=lambda config: most(expand(config)) * config.votes,
    verdict=True,
    adds="makes one opinion of all votes, and its verdict shows the gold to nobody",
)
