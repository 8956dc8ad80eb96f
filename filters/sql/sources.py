"""What a FROM holds: tables of a step, and SELECTs within the SELECT, by the names that its columns are read by."""

from collections.abc import Mapping
from dataclasses import dataclass

from filters.sql.parse import Node
from schemas.errors import nearest

LONG = frozenset({"text", "reasoning", "summary"})
"""Columns that hold long texts: they are strings to read and to compare, and never keys."""


@dataclass(frozen=True)
class Source:
    """A table (`table` is its name), or a SELECT in its place (None).

    `key` are the columns that tell its rows apart, None where nobody knows; `samples` those that hold the id of the row's
    sample, `long` those that hold long texts. `columns` are all of a SELECT's; what a table has, the compiler knows.
    """

    table: str | None
    key: frozenset[str] | None
    samples: frozenset[str]
    long: frozenset[str] = LONG
    columns: tuple[str, ...] = ()

    def is_long(self, name: str) -> bool:
        """Whether a column, by its dotted name, is a long text."""
        return name.rpartition(".")[2] in self.long if self.table else name in self.long


def base(table: str) -> Source:
    """A table of the step."""
    return Source(table, frozenset({"id"}), frozenset({"sample_id"}))


Sources = Mapping[str, Source]
"""By alias, in small letters, in their order."""


Key = frozenset[tuple[str, str]] | None
"""Columns, each with its source, that tell rows apart; None where nobody knows."""


def key_of(sources: Sources) -> Key:
    """What tells the rows of a FROM apart."""
    if any(source.key is None for source in sources.values()):
        return None
    return frozenset((alias, name) for alias, source in sources.items() for name in source.key or ())


def column(node: Node, sources: Sources) -> tuple[str, str] | None:
    """The source and the dotted name of a resolved reference; None for any other expression."""
    if node["class"] != "COLUMN_REF" or len(node["column_names"]) != 2:
        return None
    alias, name = node["column_names"]
    return (alias.lower(), name) if alias.lower() in sources else None


def is_sample(node: Node, sources: Sources) -> bool:
    """Whether an expression is the id of a row's sample."""
    found = column(node, sources)
    return found is not None and found[1] in sources[found[0]].samples


def unknown(name: str, source: Source) -> ValueError:
    """A column that a SELECT within the SELECT does not give."""
    return ValueError(f"reads {name}, which the SELECT within does not give.{nearest(name, source.columns)}")
