"""What a step is: the contract between an entry of a recipe, the compiler, and the code that does the work.

A step type says which columns it reads and which it gives. Everything else (order, freshness, refusals, the plan, the
funnel, `why`, views, the card) follows from that, once, for all types. A type is declared in one file, beside its rule,
and listed in one line of `pipelines.steps.catalogue`.

A body is pure: it gets rows and gives rows. It reads no table, no recipe and no clock; what it may use beside its rows
comes in the `Context`. Rows are joined by id, never by order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import polars as pl
from pydantic import ConfigDict, Field

from schemas.completion import Request
from schemas.engine import MediaReader
from schemas.section import Section
from schemas.split import DROPPED

Reference = tuple[str, ...]
"""A name as recipes write it, cut at its dots: `("question",)`, `("difficulty", "k")`, `("parent", "text")`."""

Scope = Literal["row", "sample", "all"]
"""What may be computed by itself: any rows, all rows of a sample together, or only all rows at once."""


class StepConfig(Section):
    """The section of a step. `as`, `of` and `where` mean the same in all of them."""

    model_config = ConfigDict(populate_by_name=True)

    as_: str | None = Field(default=None, alias="as", description="the step's name; needed when a type occurs twice")
    of: str | tuple[str, ...] | None = Field(
        default=None, description="a unit: all its rows; or a step, or several: the rows that they made"
    )
    where: str | None = Field(default=None, description="an SQL condition; rows that do not meet it pass by untouched")


@dataclass(frozen=True)
class Read:
    """A column that a step reads. It has the type `dtype`, unless that is None: any.

    Where it is `optional` and nothing before the step gives it, the step gets nulls. Prompts and SQL read it as `text`: a
    gold is then read as it was published. One that is `unseen` decides what is asked, and is shown to no model.
    """

    ref: Reference
    dtype: pl.DataType | None = None
    optional: bool = False
    text: bool = False
    unseen: bool = False


def read(name: str, dtype: pl.DataType | None = None, *, optional: bool = False) -> Read:
    """A read by the dotted name that recipes write."""
    return Read(tuple(name.split(".")), dtype, optional)


def hidden(reads: Mapping[str, Read]) -> dict[str, Read]:
    """What a step decides by and shows to no model: `reads` under the names `gold:<name>`, beside what its prompts read."""
    return {f"gold:{name}": replace(one, unseen=True) for name, one in reads.items()}


def reads_of(references: Iterable[Reference]) -> dict[str, Read]:
    """Reads by their own dotted names, which is what templates, conditions and SQL take their columns by."""
    return {".".join(ref): Read(ref, text=True) for ref in sorted(references)}


@dataclass(frozen=True)
class Beside:
    """Rows of another unit, or of a named step, that a step gets beside its own: those of the same samples.

    They have `id, sample_id, parent_id, made_by` and the columns of `reads`. `dropped` says whether the rows that a step
    dropped are among them, `gone` whether those are too that went with what they were made from, `lost` whether those are
    that their maker could not make, with nulls for values (the column `lost`); `gold_free` that none of them may come of a
    prompt that showed the gold.
    """

    of: str | tuple[str, ...]
    reads: Mapping[str, Read]
    dropped: bool = False
    gone: bool = False
    lost: bool = False
    gold_free: bool = False


@dataclass(frozen=True)
class Reads:
    """All that a step reads: columns of the rows that it works on, by the names its body uses, and rows beside them."""

    rows: Mapping[str, Read] = field(default_factory=dict)
    beside: Mapping[str, Beside] = field(default_factory=dict)


@dataclass(frozen=True)
class Gives:
    """What a step gives: columns with their types, to the rows that it works on or to the rows of the unit it `makes`.

    `replaces` names those that take the place of an earlier column of the same name although the step does not read it.
    """

    columns: Mapping[str, pl.DataType] = field(default_factory=dict)
    makes: str | None = None
    replaces: frozenset[str] = frozenset()


class Known(Protocol):
    """What the compiler knows at the place of a step."""

    def types(self, of: str | tuple[str, ...]) -> Mapping[str, pl.DataType]:
        """Every name that rows of `of` (a unit or steps) may be read by, bare or with its address, and its type.

        Raises ConfigError where nothing before the step makes such rows.
        """

    def unit(self, of: str | tuple[str, ...]) -> str:
        """The unit of `of`."""

    def parent(self, unit: str) -> str:
        """The unit that rows of `unit` are made from; that of samples is `sample`."""

    def parents(self, of: str | tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """What rows of `of` were made from: by unit, the steps that made those rows; nothing for samples of sources."""


class Tables(NamedTuple):
    """What a body gets. `rows` has `id, sample_id, parent_id, made_by` and the columns of its reads, in order of `id`.

    `answers` has a row for each sample of a completion that was wanted, in order of `id`, then as they were asked:
    `id` (of the row), `model` (the recipe's name), `turn` (0 for the first requests, then as `more` asked), `of` (of a
    later turn: the place in the row's earlier answers that it goes on from), `index`, `text`, `reasoning`,
    `finish_reason` (`stop`, `length`, `error`), `tokens`, `error`.
    """

    rows: pl.DataFrame
    beside: Mapping[str, pl.DataFrame]
    answers: pl.DataFrame


class Out(NamedTuple):
    """What a body makes of its rows.

    `rows` has `id` and all columns that the step gives. Every row that came in is in `rows` or in `drops`, unless the step
    gives no columns: then it may leave `rows` None, and keeps what it does not drop. A step that makes rows gives them an
    `id` and the `parent_id` of the row that each was made from; its `drops` are rows that it could not make, with the
    `id` that they would have had and `parent_id`. `tables` are kept beside (of samples, `retired` names those whose place
    the rows take), `notes` are counts that a user should know of.
    """

    rows: pl.DataFrame | None = None
    drops: pl.DataFrame = pl.DataFrame(schema=DROPPED)
    tables: Mapping[str, pl.DataFrame] = {}
    notes: Mapping[str, int] = {}


class Apart(tuple[Any, ...]):
    """A survey of which each bucket gets its own part: as many as it got tables, in their order."""


class Context(Protocol):
    """What a body may use beside its rows."""

    @property
    def name(self) -> str:
        """The step's name, for reasons (`name:cause`) and ids."""

    @property
    def seed(self) -> int:
        """The recipe's seed; chance comes from `Random(f"{seed}:{id}")`."""

    @property
    def media(self) -> MediaReader:
        """Images by their hash."""

    @property
    def gold_visible(self) -> bool:
        """Whether a prompt of this step, or of one that it reads, shows the gold."""

    @property
    def survey(self) -> Any:
        """What the type's `survey` made of all rows; None of a type that has none."""

    def verifiers(self) -> Any:
        """The build's pool of verifiers (`filters.verify.pool.VerifierPool`), started when first asked for."""


C = TypeVar("C", bound=StepConfig)


@dataclass(frozen=True)
class Asks(Generic[C]):
    """What a step asks of models: requests for its rows, and more once answers are there.

    `requests` yields the first requests of each row, if any; `more` gets the rows and all answers of one model to
    them so far (as in `Tables`, whose `of` counts the answers of a row and model from 0) and yields the next ones,
    until it yields none. Both are pure: they are walked again at replay, and an answer that is in the log is never
    asked for again. Each model of `models` is asked everything. `most` is how many completions of each model a row
    needs at most (None: not known before its answers are), `most_of` how many of one model, where they differ. `limit` is
    the key that limits their length; where the section has none, `longest` gives the tokens, from it and what the
    type's `before` gives. `changes_images` says that it may show other images than a row's own, or none.
    """

    models: Callable[[C], tuple[str, ...]]
    requests: Callable[[pl.DataFrame, C], Iterator[Request]]
    more: "Callable[[pl.DataFrame, pl.DataFrame, C, Context], Iterator[Request]] | None" = None
    most: Callable[[C], int | None] = lambda config: getattr(config, "n", 1)
    limit: str = "sampling.max_tokens"
    most_of: Callable[[C, str], int | None] | None = None
    longest: Callable[[C, Any], int | None] | None = None
    changes_images: bool = False

    def bound(self, config: C, model: str) -> int | None:
        """How many completions of a model a row needs at most."""
        return self.most(config) if self.most_of is None else self.most_of(config, model)


@dataclass(frozen=True)
class Computes(Generic[C]):
    """What a body computes with the models that it `loads`, and keeps in a log.

    `most` is how many values a row needs at most, from the section and what the type's `before` gives. `missing` counts the
    values of rows that the log lacks; it loads no model, and writes into the folder that it is given only.
    """

    most: Callable[[C, Any], int | None]
    missing: Callable[[pl.DataFrame, C, Context, Path], int]


@dataclass(frozen=True)
class StepType(Generic[C]):
    """One type of step. `version` is raised when a change of code changes what it gives.

    `of` is the unit that it works on where its section does not say so, `over` what it works on where that is not simply
    `of` (a step that counts the rollouts of samples works on samples). `facts` is what else decides what it gives,
    beside its section and its reads, as JSON; it gets the running build. `check` raises ConfigError for what of a section
    cannot work in that build; it starts nothing. `loads` names the models that its body loads by
    itself, `computes` is what it computes with them. `before` is what else of the steps before it does. `verdict` says
    that what it gives is a judgement about its rows: it may read the gold, and shows it to nobody; `golds` names those
    of its columns that are a gold. `expand` gives the section that a preset stands for, and `adds` says in a few words
    what it does beside asking that; empty where it is an `ask` and nothing else. A body that `streams` reads the rows
    beside its own, and the answers, by itself, a bucket at a time, through its context. Where it needs little of all
    rows, it may `survey` them, those of one bucket after the other: what that gives (small, and to be pickled; or `Apart`,
    the part of each bucket) is the `survey` of its context, its body gets the rows of a bucket at a time, and `gathers`
    puts together the tables that it keeps beside them, each by its name. A body over all rows may say what it needs of
    them: `narrow` gets the rows of a bucket and gives them with fewer or smaller columns, such as hashes of texts, and no
    more of all rows is held. `last` says that nothing but steps like it may follow; `closes` names a unit of which no rows
    may be made after it. `fan` is how many rows it makes of each row at most (None: not known before it has run).
    `published` is, of a step that publishes, the folder outside the build that a step of this name wrote; None where it is
    gone. `cures` says of a cause of its drops, or of one of its `notes`, what to do where almost all rows come to it; None
    where most are meant to. `summary` is one line for `curate show`.
    """

    name: str
    summary: str
    version: int
    config: type[C]
    reads: Callable[[C, Known], Reads]
    gives: Callable[[C, Known], Gives]
    body: Callable[[Tables, C, Context], Out]
    of: str | None = None
    over: Callable[[C, Known], str | tuple[str, ...]] | None = None
    scope: Callable[[C], Scope] = lambda config: "row"
    asks: Asks[C] | None = None
    facts: Callable[[C, Any], Any] = lambda config, build: None
    check: Callable[[C, Any], None] = lambda config, build: None
    loads: Callable[[C], tuple[str, ...]] = lambda config: ()
    computes: Computes[C] | None = None
    before: Callable[[C, Known], Any] = lambda config, known: None
    verdict: bool = False
    golds: frozenset[str] = frozenset()
    expand: Callable[[C], Any] | None = None
    adds: Callable[[C], str] = lambda config: ""
    fan: Callable[[C], int | None] = lambda config: None
    streams: bool = False
    survey: Callable[[Iterable[pl.DataFrame], C, Context], Any] | None = None
    gathers: Mapping[str, Callable[[Sequence[pl.DataFrame]], pl.DataFrame]] = field(default_factory=dict)
    narrow: Callable[[pl.DataFrame, C], pl.DataFrame] | None = None
    last: bool = False
    closes: str | None = None
    published: Callable[[str, Any], Path | None] | None = None
    cures: Mapping[str, str | None] = field(default_factory=dict)
