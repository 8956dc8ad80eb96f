"""The texts that `signals` has a model read of each row, each in one or more variants, and the columns that follow."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from filters.trace_verdicts import stated_gold
from generators.asking.config import AskConfig
from generators.asking.requests import Asking
from generators.rendering import RenderError
from generators.signals.attention import COLUMN_SUMS, AttentionConfig, column_sums, log_psi, over_rollouts
from generators.signals.likelihood import (
    LOGPROBS,
    LikelihoodConfig,
    blind_gains,
    by_reply,
    gain,
    logprobs,
    mean_logprob,
)
from generators.signals.section import SignalsConfig
from generators.signals.validity import ValidityConfig, total_logprob, variants, verdict_shift
from generators.template import Template
from pipelines.run.signals import Signal, Text
from schemas.completion import Request

ATTENTION = {"log_psi": pl.Float64(), "replies": pl.Int32()}
"""RAP's attention over-concentration, natural log, over `replies` replies; null where there is no text."""

LIKELIHOOD = {"logprob": pl.Float64()}
MASKED = {"logprob_masked": pl.Float64(), "reliance": pl.Float64()}
"""The mean log-probability a token with the image, with patches of it masked, and the first less the second."""

BLIND = {"logprob_blind": pl.Float64(), "visnec": pl.Float64(), "vig": pl.Float64()}
"""The same without the images, the first less that (VisNec), and the fall of the perplexity (VIG)."""

VALIDITY = {"valid": pl.Float64(), "valid_unasked": pl.Float64(), "cvs": pl.Float64()}
"""P(the gold is valid) with the question, without it, and the first less the second (CVS)."""

_WHOLE, _MASKED, _BLIND = "whole", "masked", "blind"


class Ways(NamedTuple):
    """How rows are put to the model: as their rollouts were asked for or by a prompt of the section, and without images."""

    seen: Asking
    blind: Asking


def ways(config: AskConfig) -> Ways:
    return Ways(Asking(config), Asking(config.model_copy(update={"sees": "nothing"})))


def judge_ask(config: ValidityConfig, own: AskConfig) -> AskConfig:
    """How the judge of validity is asked: by its own prompt, about the images that the row's prompt shows, or its own."""
    return AskConfig(model=own.model, prompt=config.prompt, sees=own.sees if own.shown else "media")


def gives(config: SignalsConfig) -> dict[str, pl.DataType]:
    """The columns of the signals that the section names, but for the error."""
    found: dict[str, pl.DataType] = {}
    if config.attention is not None:
        found |= ATTENTION
    if config.likelihood is not None:
        masked, blind = config.likelihood.mask is not None, config.likelihood.blind
        found |= LIKELIHOOD | (MASKED if masked else {}) | (BLIND if blind else {})
    return found | (VALIDITY if config.validity is not None else {})


def texts_a_row(config: SignalsConfig, replies: int) -> int:
    """How many texts of a row are read at most, of which `replies` are wanted."""
    count = 0
    if config.attention is not None:
        count += 1 if config.attention.rollouts == "first" else replies
    if (likelihood := config.likelihood) is not None:
        shown = 1 + (likelihood.mask is not None) + likelihood.blind
        count += (1 if likelihood.of == "gold" else replies) * shown
    return count + (len(variants(config.validity)) if config.validity is not None else 0)


def reads_gold(signal: str, config: SignalsConfig) -> bool:
    """Whether a signal is of the gold, of which a row has one, or of its replies."""
    return signal == "validity" or (
        signal == "likelihood" and config.likelihood is not None and config.likelihood.of == "gold"
    )


def signals_of(config: SignalsConfig, own: AskConfig) -> Iterator[Signal]:
    """The signals that a section names; `own` is how rows are put to the model."""
    if config.attention is not None:
        yield _attention(config.attention, ways(own).seen)
    if config.likelihood is not None:
        yield _likelihood(config.likelihood, ways(own))
    if config.validity is not None:
        yield _validity(config.validity, Asking(judge_ask(config.validity, own)))


def _attention(config: AttentionConfig, asking: Asking) -> Signal:
    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row in rows.iter_rows(named=True):
            if (request := _put(row, asking, whole=True)) is not None:
                yield Text(row["id"], row["index"], _WHOLE, Forced(request, row["reply"]))

    return Signal(
        "attention",
        {"window": config.window},
        COLUMN_SUMS,
        texts,
        lambda model, forced: column_sums(model.attention(forced, config.window)),
        lambda values: log_psi(values, config),
    )


def _likelihood(config: LikelihoodConfig, put: Ways) -> Signal:
    around, whole = Template(config.template), config.of == "rollouts"

    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row in rows.iter_rows(named=True):
            gold, text = row["gold:answer"], row["reply"]
            request = None if gold is None and not whole else _put(row, put.seen, whole=whole)
            if request is None:
                continue
            if not whole:
                text = around.render({"answer": stated_gold(gold, row["gold:verifier"])})
            yield Text(row["id"], row["index"], _WHOLE, Forced(request, text))
            if config.mask is not None and request.images:
                yield Text(row["id"], row["index"], _MASKED, Forced(request, text, config.mask))
            if config.blind and request.images and (blind := _put(row, put.blind, whole=whole)) is not None:
                yield Text(row["id"], row["index"], _BLIND, Forced(blind, text))

    return Signal(
        "likelihood",
        {"end": config.end},
        LOGPROBS,
        texts,
        lambda model, forced: logprobs(model.likelihood(forced, end=config.end)),
        mean_logprob,
    )


def _validity(config: ValidityConfig, judge: Asking) -> Signal:
    words = variants(config)

    def texts(rows: pl.DataFrame) -> Iterator[Text]:
        from generators.signals.forced import Forced

        for row in rows.iter_rows(named=True):
            if row["gold:answer"] is None:
                continue
            asked = {**row, "answer": stated_gold(row["gold:answer"], row["gold:verifier"])}
            for variant, (shown, word) in words.items():
                request = _put(asked if shown else {**asked, "question": None, "options": None}, judge, whole=True)
                if request is not None:
                    yield Text(row["id"], row["index"], variant, Forced(request, word))

    return Signal(
        "validity",
        {"end": False},
        LOGPROBS,
        texts,
        lambda model, forced: logprobs(model.likelihood(forced, end=False)),
        total_logprob,
    )


def _put(row: dict[str, Any], asking: Asking, *, whole: bool) -> Request | None:
    """How a row is put, if it can be; a `whole` reply has the words that it was made to begin with."""
    try:
        put = asking.put(row)
    except RenderError:
        return None
    return Request(row["id"], put.messages, asking.config.sampling, prefix="" if whole else put.prefix)


def by_row(signal: str, texts: pl.LazyFrame, config: SignalsConfig) -> pl.DataFrame:
    """One row an id from one row a text (`id, index, variant, error` and what the signal reduces to)."""
    found: dict[str, pl.Expr]
    if signal == "attention":
        assert config.attention is not None
        found = {"log_psi": over_rollouts(config.attention), "replies": pl.col("log_psi").count().cast(pl.Int32)}
    elif signal == "validity":
        assert config.validity is not None
        found = verdict_shift(config.validity)
    else:
        texts = by_reply(texts, (_WHOLE, _MASKED, _BLIND))
        means = {"logprob": pl.col(_WHOLE).mean(), "logprob_masked": pl.col(_MASKED).mean()}
        found = {**means, "reliance": gain(_WHOLE, _MASKED), **blind_gains(_WHOLE, _BLIND)}
    error = pl.col("error").drop_nulls().first().alias(f"error_{signal}")
    return texts.group_by("id").agg(error, **found).collect()
