"""What is asked: the first requests of each row, and what follows from the answers to them.

An answer may call for another: a reply that cannot be read for the next sample of the same prompt (`tries`), and one that
gives no answer for a turn that forces one (`conclude`: the budget forcing of s1, Muennighoff et al. 2025, arXiv
2501.19393, section 3.1). Which ones follows from the answers alone, so a replay asks the same.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from generators.asking.config import AskConfig
from generators.asking.outcomes import Answer, beginning, read
from generators.asking.shots import turns
from generators.asking.slots import Slot, by_row, slots
from generators.rendering import NullField, RenderError
from generators.template import PromptFile, Template, asked
from schemas.completion import Constraint, Message, Request, Sampling
from schemas.errors import ConfigError
from schemas.reply_shape import constraint, room
from schemas.step import Context


class Put(NamedTuple):
    """How a row is put to a model: the messages, and the words that its reply begins with."""

    messages: tuple[Message, ...]
    prefix: str


class Asking:
    """The prompts of a section, read once."""

    def __init__(self, config: AskConfig) -> None:
        self.config = config
        self.prompt = template(config.prompt)
        self.system = template(config.system) if config.system else None
        self.prefix = template(config.prefix) if config.prefix else None
        self._shots = tuple(turns(config.shots, self.prompt))

    @cached_property
    def constraint(self) -> Constraint | None:
        """The form that a reply is held to; none where that is only a part of it, after a prefix or inside a pattern."""
        return self._left("")

    def held(self, begun: str) -> Constraint | None:
        """What a reply is held to that was made to begin so: the form, or what is left of one whose sections are named."""
        return self._left(begun) if begun else self.constraint

    def _left(self, begun: str) -> Constraint | None:
        config = self.config
        named = None if isinstance(config.constrain, bool) else config.constrain
        if not config.constrain or config.answer_pattern is not None or (self.prefix is not None and named is None):
            return None
        return constraint(config.reply, room(config.reply, config.sampling.max_tokens), named, begun)

    def put(self, row: Mapping[str, Any]) -> Put:
        """How a row is put to a model. Raises RenderError for a row that cannot be asked."""
        shown = self.config.shown
        if shown and shown != ("media",):
            row = {**row, "media": [item for name in shown for item in _media(row, name)]}
        *system, turn = asked(row, self.prompt, self.system, bool(shown))
        return Put((*system, *self._shots, turn), self.prefix.render(row) if self.prefix else "")

    def slots(self, row: Mapping[str, Any], put: Put, answers: list[Answer]) -> list[Slot]:
        """The replies that a row is owed by one model, and what became of each."""
        prose = row.get("kind") == "open"
        return slots(answers, self.config, lambda answer: read(answer, self.config, put.prefix, prose=prose))


def template(prompt: str | PromptFile) -> Template:
    if isinstance(prompt, PromptFile):
        raise ConfigError(f"The prompt file '{prompt.file}' was not read; name it in a recipe, which lies beside it.")
    return Template(prompt)


def _media(row: Mapping[str, Any], name: str) -> list[Any]:
    """The media of a column. A row without any has nothing to see; one that lacks those of a step cannot be asked."""
    if row[name] is None and name != "media":
        raise NullField(name)
    return row[name] or []


def requests(rows: pl.DataFrame, config: AskConfig) -> Iterator[Request]:
    """One request a row, all its `n` samples in it; none for a row that cannot be rendered."""
    asking = Asking(config)
    for row in rows.iter_rows(named=True):
        try:
            messages, prefix = asking.put(row)
        except RenderError:
            continue
        yield Request(row["id"], messages, config.sampling, n=config.n, prefix=prefix, constraint=asking.held(prefix))


def more(
    rows: pl.DataFrame, answers: pl.DataFrame, config: AskConfig, context: Context | None = None
) -> Iterator[Request]:
    """What the answers of a model so far call for: the next sample of a reply that was not readable, or a forced conclusion.

    A sample that the model was not reached for calls for nothing: the next build asks for that one again.
    """
    if config.tries == 1 and config.conclude is None:
        return
    asking, found = Asking(config), by_row(answers)
    for row in rows.iter_rows(named=True):
        for mine in found.get(row["id"], {}).values():
            yield from _next(asking, row, mine)


def _next(asking: Asking, row: Mapping[str, Any], answers: list[Answer]) -> Iterator[Request]:
    config, put = asking.config, asking.put(row)
    index = max(config.n - 1, *(answer.sample for answer in answers))
    for slot in asking.slots(row, put, answers):
        if slot.calls_for_another():
            index += 1
            yield Request(row["id"], put.messages, config.sampling, prefix=put.prefix, first=index, of=slot.last.place,
                          constraint=asking.held(put.prefix))  # fmt: skip
        elif (reading := slot.unfinished()) is not None:
            ending = Sampling(temperature=0.0, max_tokens=config.conclude_tokens, stop=("\n",))
            yield Request(
                row["id"],
                put.messages,
                ending,
                prefix=beginning(reading, config.conclude or ""),
                of=slot.counts.place,
            )
