"""The step `restate`: a model puts questions into a form whose answer can be checked, and the gold follows.

DAPO (arXiv 2503.14476, section 3.5) has a model restate problems whose answers are formulas so that the answer is an
integer, which a rule grades without error. A new gold is read as strictly as a published one and put to its own verifier;
a row whose new gold fails is dropped. `where` says which rows to restate.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.verify.gold import GoldUnparseableError, read_params
from filters.verify.regold import ANSWER_KINDS, drop_untrue, regold
from generators.asking import contract
from generators.asking.body import body as reply_body
from generators.asking.config import AskConfig
from generators.asking.requests import more as more_replies
from generators.asking.requests import requests as reply_requests
from generators.asking.shots import Shot
from generators.template import PromptField
from schemas.completion import Request, Sampling
from schemas.errors import nearest
from schemas.marks import moved
from schemas.reply_shape import Form
from schemas.sample import ANSWER, MEDIA, VERIFIER
from schemas.split import DROPPED
from schemas.step import Asks, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

GIVES = {"question": pl.String(), "options": pl.List(pl.String()), "answer": ANSWER, "verifier": VERIFIER}
"""The new question, which has no options, and its gold. They take the place of the old ones."""


class RestateConfig(StepConfig):
    """How questions are restated, and what kind of answer the new ones have."""

    model: str = Field(min_length=1, description="a name from `models`")
    system: PromptField | None = None
    prompt: PromptField = (
        "Rewrite this question so that it has one short answer that a program can check. Offer no options. The answer must "
        "follow from the old one.\n\nQuestion: {{ question }}\nAnswer: {{ answer }}"
    )
    shots: tuple[Shot, ...] = Field(default=(), description="worked examples: the prompt's fields, and the `reply`")
    sees: str | tuple[str, ...] = Field(default="media", description="media, nothing, or names of media columns")
    tries: int = Field(default=1, ge=1, description="how often at most a reply is asked for until one can be read")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=512)
    kind: str = Field(default="number", description="the kind of the new answers")
    params: dict[str, Any] = Field(default_factory=dict, description="of the verifier")

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in ANSWER_KINDS:
            raise ValueError(
                f"no answer kind '{kind}'; there are {', '.join(ANSWER_KINDS)}.{nearest(kind, ANSWER_KINDS)}"
            )
        return kind

    @model_validator(mode="after")
    def _possible(self) -> "RestateConfig":
        try:
            read_params(self.kind, self.params)
        except GoldUnparseableError as error:
            raise ValueError(str(error)) from error
        expand(self)
        return self


def expand(config: RestateConfig) -> AskConfig:
    """What is asked: a JSON object with the new question and its answer."""
    given = ("of", "where", "model", "system", "prompt", "shots", "sees", "tries", "sampling")
    same = {name: getattr(config, name) for name in given}
    form = Form(fields={"question": "str", "answer": "str"})
    return AskConfig(**{**same, "as_": config.as_ or "restate", "reply": form})


def reads(config: RestateConfig, known: Known) -> Reads:
    """What the prompt reads, and the old question with the places that images have in it."""
    own = {"old": read("question", pl.String()), "images": read("media", pl.List(MEDIA), optional=True)}
    return Reads({**contract.reads(expand(config), known).rows, **own})


def requests(rows: pl.DataFrame, config: RestateConfig) -> Iterator[Request]:
    return reply_requests(rows, expand(config))


def more(
    rows: pl.DataFrame, answers: pl.DataFrame, config: RestateConfig, context: Context | None = None
) -> Iterator[Request]:
    return more_replies(rows, answers, expand(config), context)


def body(tables: Tables, config: RestateConfig, context: Context) -> Out:
    """`GIVES` of the rows that were restated.

    Reasons beside those of `ask`: those of `filters.verify.regold` (such as `unparsable_gold`), `selftest`, and
    `image_in_text` where images have places in the old question that the new one does not keep.
    """
    answered = reply_body(tables, expand(config), context)
    assert answered.rows is not None
    golds = drop_untrue(
        regold(answered.rows, kind=config.kind, params=config.params, parse=context.verifiers().parse_gold),
        context.verifiers(),
        context.seed,
    )
    placed = golds.join(tables.rows.select("id", "old", "images"), on="id", how="left", maintain_order="left")
    kept = [
        _keeps_places(old, images or [], new) for old, images, new in placed.select("old", "images", "question").rows()
    ]
    in_text = pl.when(~pl.Series(kept, dtype=pl.Boolean)).then(pl.lit("image_in_text"))
    golds = golds.with_columns(cause=pl.coalesce("cause", in_text))
    reason = pl.format("{}:{}", pl.lit(context.name), "cause")
    lost = golds.filter(pl.col("cause").is_not_null()).select("id", reason=reason, evidence="evidence")
    return Out(
        golds.filter(pl.col("cause").is_null()).select("id", *GIVES), pl.concat([answered.drops, lost.cast(DROPPED)])
    )


def _keeps_places(old: str | None, images: list[dict[str, Any]], new: str) -> bool:
    """Whether images are shown with the new question where they were shown with the old one."""
    places = [image["position"] for image in images if image["position"] is not None]
    return not places or moved(places, old or "", new) == tuple(places)


STEP = StepType(
    name="restate",
    summary="puts questions into a form whose answer can be checked, with a new gold",
    version=1,
    config=RestateConfig,
    reads=reads,
    gives=lambda config, known: Gives(GIVES, replaces=frozenset(GIVES)),
    body=body,
    of="sample",
    asks=Asks(
        models=lambda config: (config.model,),
        requests=requests,
        more=more,
        most=lambda config: config.tries,
    ),
    verdict=True,  # the gold is shown to who writes the question, and not to who answers it
    golds=frozenset({"answer"}),
    expand=expand,
    adds=lambda config: "reads the answer as a gold, puts it to its own verifier, and drops rows whose gold fails",
)
