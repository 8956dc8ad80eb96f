"""Count tokens: how long texts are to a tokenizer, such as that of the model that will be trained on them.

A reply's own `tokens` are those of whoever wrote it. Trainers cut or drop what is longer than their context in *their*
tokenizer: vLLM's count of a teacher says little of it, and words say less. Images are not counted, nor are the tokens that a
chat template puts around turns.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from generators.embedded import EMBEDDED, REFERENCE_VLM, reference_folder
from generators.models import HUB_ID, identify, resolve
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, MissingDependencyError, nearest
from schemas.ids import hash_files
from schemas.section import Section
from schemas.step import Context, Gives, Known, Out, Read, Reads, StepConfig, StepType, Tables

_FILES = ("tokenizer*", "vocab*", "merges.txt", "added_tokens.json", "special_tokens_map.json", "*.model")

BATCH = 256
"""Texts given to the tokenizer at once."""


class TokenizerConfig(Section):
    """Whose tokenizer."""

    model: str = Field(min_length=1, description="hub id, local folder, or the name of an embedded model")
    revision: str | None = Field(default=None, description="hub commit, tag or branch")

    @property
    def source(self) -> ModelConfig:
        """The model that it is part of."""
        return ModelConfig(model=self.model, revision=self.revision, engine="transformers")


class CountTokensConfig(StepConfig):
    """Which texts, and whose tokenizer."""

    column: str | tuple[str, ...] = Field(
        default="text", min_length=1, description="the text that is counted, or several, whose tokens are added up"
    )
    tokenizer: TokenizerConfig = Field(description="the tokenizer: {model: hub id or local folder}, or just the name")

    @field_validator("tokenizer", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column

    @property
    def gives(self) -> str:
        """The column that it gives: the step's own name."""
        return self.as_ or "count_tokens"


def count_tokens(texts: Sequence[str], config: TokenizerConfig) -> list[int]:
    """The tokens of each text, without any that mark its beginning or end."""
    tokenizer, found = _tokenizer(config), []
    for at in range(0, len(texts), BATCH):
        ids = tokenizer(list(texts[at : at + BATCH]), add_special_tokens=False)["input_ids"]
        found += [len(row) for row in ids]
    return found


@lru_cache(maxsize=4)
def _tokenizer(config: TokenizerConfig) -> Any:
    try:
        from transformers import AutoTokenizer
        from transformers.utils.logging import set_verbosity_error
    except ImportError as error:
        raise MissingDependencyError("transformers", "cpu", f"the tokenizer of '{config.model}'") from error
    set_verbosity_error()
    where = resolve(config.source)
    try:
        return AutoTokenizer.from_pretrained(where.path_or_id, revision=where.revision)
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{config.model}' has no tokenizer that can be loaded: {error}") from error


def _reads(config: CountTokensConfig, known: Known) -> Reads:
    return Reads({name: Read(tuple(name.split(".")), text=True) for name in config.columns})


def _gives(config: CountTokensConfig, known: Known) -> Gives:
    return Gives({config.gives: pl.Int32()}, replaces=frozenset({config.gives}))


def _body(tables: Tables, config: CountTokensConfig, context: Context) -> Out:
    """The count of every row, null where a text is; none is dropped."""
    texts = tables.rows.select(pl.col(name).cast(pl.String) for name in config.columns)
    whole = texts.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    counts = [count_tokens(texts[name].filter(whole).to_list(), config.tokenizer) for name in config.columns]
    sums = iter(map(sum, zip(*counts, strict=True)))
    found = [next(sums) if there else None for there in whole]
    return Out(tables.rows.select("id", pl.Series(config.gives, found, dtype=pl.Int32)))


def identity(config: TokenizerConfig) -> str | dict[str, str]:
    """What decides its counts, without loading it: the files of a local tokenizer, the commit of one on the hub.

    Raises ConfigError for one on the hub that is neither in the local cache nor reachable.
    """
    folder = reference_folder() if config.model == REFERENCE_VLM else Path(config.model).expanduser()
    if folder.is_dir():
        return hash_files(path for glob in _FILES for path in folder.glob(glob))
    return identify(config.source).to_json()


def _check(config: CountTokensConfig, build: Any) -> None:
    name = config.tokenizer.model
    if name not in EMBEDDED and not Path(name).expanduser().is_dir() and not HUB_ID.fullmatch(name):
        raise ConfigError(
            f"there is no tokenizer '{name}': it is not a local folder, not a hub id (organisation/name) and not that of an "
            f"embedded model ({', '.join(EMBEDDED)}).{nearest(name, EMBEDDED)}"
        )


STEP = StepType(
    name="count_tokens",
    summary="counts the tokens of texts by a tokenizer, such as that of the model that is trained",
    version=1,
    config=CountTokensConfig,
    reads=_reads,
    gives=_gives,
    body=_body,
    of="trace",
    check=_check,
    facts=lambda config, build: identity(config.tokenizer),
)
