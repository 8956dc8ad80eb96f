"""How a preset becomes a step type: the functions of `ask`, put to what the preset's section stands for."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import polars as pl

from generators.asking import contract
from generators.asking.body import body as reply_body
from generators.asking.config import AskConfig
from generators.asking.requests import more as more_replies
from generators.asking.requests import requests as reply_requests
from schemas.completion import Request
from schemas.step import Asks, Context, Out, StepConfig, StepType, Tables

C = TypeVar("C", bound=StepConfig)
Requests = Callable[[pl.DataFrame, C], Iterator[Request]]


def as_ask(config: AskConfig, name: str, **changes: Any) -> AskConfig:
    """The section of `ask` that a preset's section stands for."""
    same = {field: getattr(config, field) for field in AskConfig.model_fields}
    return AskConfig(**{**same, "as_": config.as_ or name, **changes})


def preset(
    name: str,
    summary: str,
    config: type[C],
    expand: Callable[[C], AskConfig],
    *,
    of: str,
    body: Callable[[Tables, C, Context], Out] | None = None,
    requests: Requests[C] | None = None,
    most: Callable[[C], int] | None = None,
    verdict: bool = False,
    adds: str = "",
) -> StepType[C]:
    """A step type that asks and gives what `expand(config)` does.

    `body`, first `requests` and how many completions a row needs at `most` may be its own; `adds` then says what they do.
    """

    def as_it_is(rows: pl.DataFrame, section: C) -> Iterator[Request]:
        return reply_requests(rows, expand(section))

    return StepType(
        name=name,
        summary=summary,
        version=2,
        config=config,
        reads=lambda section, known: contract.reads(expand(section), known),
        gives=lambda section, known: contract.gives(expand(section), known),
        body=body or (lambda tables, section, context: reply_body(tables, expand(section), context)),
        of=of,
        asks=Asks(
            models=lambda section: expand(section).models,
            requests=requests or as_it_is,
            more=lambda rows, answers, section, context: more_replies(rows, answers, expand(section), context),
            most=most or (lambda section: contract.most(expand(section))),
        ),
        verdict=verdict,
        expand=expand,
        adds=lambda section: adds,
        fan=lambda section: contract.fan(expand(section)),
    )
