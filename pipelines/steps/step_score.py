"""The step `step_score`: how often a solution still ends right when it is continued after each of its steps.

For each segment of a response, `n` continuations are drawn from the response up to and with that segment; the share that
reaches the gold is the segment's score, a Monte Carlo estimate of its value. VisualPRM (arXiv 2503.10291, section 3.2) and
MPO's process branch draw 16, call a step right if its score is above 0, and stop at the first that scores 0
(`internvl_chat/tools/reasoning_data_pipeline/visualprm_data_pipeline.py` of OpenGVLab/InternVL).

A continuation that failed, was cut off or holds no readable answer is missing evidence: it leaves `tried`, unless the
section calls it wrong.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from filters.difficulty import Counted, DifficultyConfig, outcome
from filters.reads import gold_reads
from filters.verify.step import judged
from generators.asking import contract
from generators.asking.config import AskConfig
from generators.asking.outcomes import read as read_reply
from generators.asking.requests import Asking
from generators.asking.requests import requests as put
from generators.asking.slots import by_row
from generators.rendering import NullField, RenderError
from generators.template import PromptField
from pipelines.compiler.pipeline import Step
from pipelines.steps.as_asked import asked_by, makers, makers_above, running_step, steps_before
from schemas.completion import Request, Sampling
from schemas.ids import canonical_json
from schemas.reply_shape import Form, Reply
from schemas.split import DROPPED
from schemas.step import Asks, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, hidden, read

GIVES = {"right": pl.Int32(), "tried": pl.Int32(), "score": pl.Float64(), "step_right": pl.Boolean()}
"""Of the continuations of a segment `tried` could be judged and `right` of them reach the gold; `score` is their ratio,
`step_right` whether it is above 0. All are null for segments that were not continued."""

_OF = "segment"


class StepScoreConfig(StepConfig):
    """How segments are continued, and when to stop."""

    model: str = Field(min_length=1, description="a name from `models`")
    n: int = Field(default=16, ge=1, description="continuations a segment")
    stop_at: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="once a segment scores this or less, the later ones of its response are not continued; null: all are",
    )
    prompt: PromptField | None = Field(default=None, description="null: the prompt that the response answers")
    system: PromptField | None = Field(default=None, description="null: with the prompt that the response answers")
    sees: str | tuple[str, ...] | None = Field(
        default=None, description="media, nothing, or media columns; null: what the response's model was shown"
    )
    tags: str | None = Field(default=None, description="null: the tag schema in which the response was asked for")
    sampling: Sampling = Sampling(temperature=0.7, top_k=50, max_tokens=2048)
    truncated: Counted = Field(default="unscored", description="a continuation that was cut off: wrong, or no evidence")
    no_answer: Counted = Field(
        default="unscored", description="a continuation without a readable answer: wrong, or no evidence"
    )

    @model_validator(mode="after")
    def _draws(self) -> "StepScoreConfig":
        if self.n > 1 and self.sampling.temperature == 0:
            raise ValueError("at temperature 0 all continuations are the same; raise sampling.temperature")
        if self.system is not None and self.prompt is None:
            raise ValueError("`system` goes with a `prompt`; without one the response's own are put")
        if self.tags is not None:
            Form(tags=self.tags)
        return self


def _asked(config: StepScoreConfig, by: frozenset[str], steps: tuple[Step, ...]) -> AskConfig:
    """What is put to the model: the prompt of the response, which its reply begins with. `by` made the segments.

    Raises ValueError where the response's own prompt is not known, or reads a column of which segments have another.
    """
    common: dict[str, Any] = {
        "model": config.model,
        "n": config.n,
        "sampling": config.sampling,
        "makes": "continuation",
    }
    common |= {"prefix": "{{ before }}{{ text }}", "constrain": False}
    form: Reply = "text" if config.tags is None else Form(tags=config.tags)
    if config.prompt is not None:
        sees = "media" if config.sees is None else config.sees
        return AskConfig(prompt=config.prompt, system=config.system, sees=sees, reply=form, **common)
    name, own = asked_by(makers_above(by, steps), steps)
    mine = {column for step in steps if step.name in by for column in step.gives}
    for template in (Asking(own).prompt, Asking(own).system):
        for ref in template.references if template is not None else ():
            if ref[0] in mine:
                raise ValueError(
                    f"the prompt of '{name}' reads `{ref[0]}`, and segments have one of their own; write `prompt`"
                )
    if config.tags is None and own.reply != "text" and own.reply.tags is not None:
        form = own.reply
    return AskConfig(
        prompt=own.prompt,
        system=own.system,
        shots=own.shots,
        sees=own.sees if config.sees is None else config.sees,
        answer_pattern=own.answer_pattern if form == "text" else None,
        reply=form,
        **common,
    )


def _before(config: StepScoreConfig, known: Known) -> AskConfig:
    return _asked(config, makers(config.of or _OF, known), steps_before(known))


def _running(config: StepScoreConfig, context: Context) -> AskConfig:
    step, steps = running_step(context)
    return _asked(config, step.node.makers, steps)


def _reads(config: StepScoreConfig, known: Known) -> Reads:
    """What the prompt shows, the text so far, and the gold, which the model is not shown."""
    found = dict(contract.reads(_before(config, known), known).rows)
    found |= {"place": read("place", pl.Int32()), "kind": read("kind", pl.String(), optional=True)}
    return Reads(found | hidden(gold_reads(config.of or _OF, known)))


def more(rows: pl.DataFrame, answers: pl.DataFrame, config: StepScoreConfig, context: Context) -> Iterator[Request]:
    """Continuations of the segments that are to be continued next: all, or the next one of each response.

    Where the model was not reached, its response waits for the next build.
    """
    ask = _running(config, context)
    asked = pl.col("id").is_in(answers["id"].unique().implode())
    golden = rows.filter(pl.col("gold:answer").is_not_null()).sort("parent_id", "made_by", "place")
    left = golden.filter(~asked)
    if config.stop_at is not None:
        response = ["parent_id", "made_by"]
        last = golden.filter(asked).unique(response, keep="last", maintain_order=True)
        of_last = answers.join(last, on="id", how="semi")
        over = scores(last, of_last, config, ask, context).filter(pl.col("score") <= config.stop_at)["id"].to_list()
        over += of_last.filter(pl.col("finish_reason").is_null())["id"].to_list()
        left = left.join(last.filter(pl.col("id").is_in(over)), on=response, how="anti", maintain_order="left")
        left = left.unique(response, keep="first", maintain_order=True)
    yield from put(left.sort("id"), ask)


def scores(
    rows: pl.DataFrame, answers: pl.DataFrame, config: StepScoreConfig, ask: AskConfig, context: Context
) -> pl.DataFrame:
    """`id` and `GIVES` of the segments that were continued; `answers` are of `rows`.

    What is judged is the answer that a whole response gives, as it is for the response itself.
    """
    golds = rows.select(of="id", **{name: f"gold:{name}" for name in ("answer", "verifier", "options")})
    replies = pl.DataFrame([*_replies(rows, answers, ask)], schema=_REPLIES, orient="row")
    counting = DifficultyConfig(truncated=config.truncated, no_answer=config.no_answer)
    judgements = judged(replies.join(golds, on="of", how="left", maintain_order="left"), context.verifiers(), "plain")
    counts = judgements.with_columns(counts=outcome(counting)).group_by(id="of")
    right, tried = (getattr(pl.col("counts"), fold)().cast(pl.Int32) for fold in ("sum", "count"))
    every = answers.select("id").unique().join(counts.agg(right=right, tried=tried), on="id", how="left")
    every = every.with_columns(pl.col("right", "tried").fill_null(0))
    score = pl.when(pl.col("tried") > 0).then(pl.col("right") / pl.col("tried"))
    return every.with_columns(score=score).with_columns(step_right=pl.col("score") > 0).sort("id")


_REPLIES = {"id": pl.String, "of": pl.String, "finish_reason": pl.String, "response": pl.String}


def _replies(rows: pl.DataFrame, answers: pl.DataFrame, ask: AskConfig) -> Iterator[tuple[str, str, str, str | None]]:
    """Each continuation with the answer that the response comes to with it; those that could not be had are left out."""
    found = by_row(answers)
    for row in rows.iter_rows(named=True):
        for answer in found.get(row["id"], {}).get(ask.models[0], []):
            if answer.finish_reason in ("stop", "length"):
                reading = read_reply(answer, ask, row["before"] + row["text"], prose=row["kind"] == "open").reading
                final = reading.final if reading is not None else None
                yield f"{row['id']}:{answer.sample}", row["id"], answer.finish_reason, final


def body(tables: Tables, config: StepScoreConfig, context: Context) -> Out:
    """`id` and `GIVES` of every segment; a segment whose prompt cannot be written is dropped, as `ask` does."""
    ask = _running(config, context)
    found = scores(tables.rows, tables.answers, config, ask, context)
    drops = pl.DataFrame([*_lost(tables.rows, ask, context)], schema=DROPPED, orient="row")
    kept = tables.rows.select("id").join(drops, on="id", how="anti", maintain_order="left")
    rows = kept.join(found, on="id", how="left", maintain_order="left", validate="1:1")
    return Out(rows.select("id", *(pl.col(name).cast(dtype) for name, dtype in GIVES.items())), drops)


def _lost(rows: pl.DataFrame, ask: AskConfig, context: Context) -> Iterator[tuple[str, str, str]]:
    asking = Asking(ask)
    for row in rows.iter_rows(named=True):
        try:
            asking.put(row)
        except RenderError as error:
            why = {"field": error.name} if isinstance(error, NullField) else {"error": str(error)}
            yield row["id"], f"{context.name}:{error.cause}", canonical_json(why)


STEP = StepType(
    name="step_score",
    summary="continues a response after each of its steps, and counts how often it ends right",
    version=1,
    config=StepScoreConfig,
    reads=_reads,
    gives=lambda config, known: Gives(GIVES),
    body=body,
    of=_OF,
    scope=lambda config: "sample",
    asks=Asks(
        models=lambda config: (config.model,),
        requests=lambda rows, config: iter(()),
        more=more,
        most=lambda config: config.n,
    ),
    before=lambda config, known: _before(config, known).model_dump(mode="json"),
)
