"""What names of columns resolve to: addresses, what is known of each, and where the values of a read come from."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

BASE = {"id": pl.String(), "sample_id": pl.String(), "parent_id": pl.String(), "made_by": pl.String()}
"""Columns that rows of every unit have; steps neither give nor replace them."""


SHORT = {"kind": ("answer", "kind"), "dataset": ("source", "dataset")}
"""Names that stand for a field of a sample's column, where no step gives a column of that name."""


class NameFault(Exception):  # noqa: N818  (the sentence behind the name of a step)
    """What is wrong with a name, as a sentence."""


class Unknown(NameFault):
    """A name that nothing has. That is asked more often than it is a mistake, so its sentence is made when it is read."""

    def __init__(self, sentence: Callable[[], str]) -> None:
        super().__init__()
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence()


@dataclass(frozen=True, order=True)
class Column:
    """An address: the unit that has the column, the step that gives it, its name."""

    unit: str
    step: str
    name: str


@dataclass(frozen=True)
class Facts:
    """What is known of a column: its type, the steps whose rows it covers, all columns that it depends on, and whether the
    gold was shown to who wrote it. `outdated` names the step that replaced one of them."""

    dtype: pl.DataType
    covers: frozenset[str]
    depends: frozenset[Column] = frozenset()
    tainted: bool = False
    outdated: str | None = None
    replaced: frozenset[Column] = frozenset()


@dataclass(frozen=True)
class Node:
    """Rows of a unit: those that the steps `makers` made."""

    unit: str
    makers: frozenset[str]


@dataclass(frozen=True)
class Source:
    """Where the values of a read come from: columns of one name, of which the last that wrote a row counts.

    `node` holds the rows that have it: the reader's own, where `own`, else the nearest among what they were made from.
    `path` is a field inside a struct.
    """

    node: Node
    own: bool
    columns: tuple[Column, ...]
    dtype: pl.DataType
    path: tuple[str, ...] = ()
    base: str | None = None
