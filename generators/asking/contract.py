"""What a step that asks models reads and gives."""

from collections.abc import Mapping

import polars as pl

from generators.asking.columns import given
from generators.asking.config import AskConfig
from generators.asking.requests import Asking
from generators.template import MEDIA, OPTIONS, needed
from schemas.reply_row import REPLY
from schemas.sample import MEDIA as ITEM
from schemas.step import Gives, Known, Read, Reads, Reference, read, reads_of

_TYPES: Mapping[Reference, pl.DataType] = {OPTIONS: pl.List(pl.String()), MEDIA: pl.List(ITEM)}


def reads(config: AskConfig, known: Known) -> Reads:
    """What the templates read, the images that are shown, and what a question is put with."""
    asking = Asking(config)
    named = asking.prompt.references.union(*(t.references for t in (asking.system, asking.prefix) if t))
    found = reads_of(named)
    for ref in needed(asking.prompt, asking.system, sees="media" in config.shown) - named:
        found[ref[0]] = Read(ref, _TYPES[ref], optional=True)
    for name in config.shown:
        found[name] = read(name, _TYPES[MEDIA], optional=name == "media")
    if config.makes is not None and config.reply == "text":
        found["kind"] = read("kind", pl.String(), optional=True)
    return Reads(found)


def gives(config: AskConfig, known: Known) -> Gives:
    """The columns of `reply`, under the names of `gives`; and with `makes` those of every reply."""
    own = given(config.reply, config.gives, config.makes, config.as_ or "ask")
    columns = {name: dtype for name, (_, dtype) in own.items()}
    if config.makes is not None:
        return Gives({**REPLY, **columns}, makes=config.makes)
    return Gives(columns, replaces=frozenset(config.gives or ()))


def fan(config: AskConfig) -> int:
    """Rows that a row becomes at most, with `makes`."""
    return config.n * len(config.models)


def most(config: AskConfig) -> int:
    """Completions of each model that a row needs at most."""
    return config.n * (config.tries + (config.conclude is not None))
