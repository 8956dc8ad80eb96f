"""Columns of a source that its samples keep, such as captions, rationales or responses that came with the questions.

`columns: {caption: str, responses: [str]}` names columns of the SELECT with their types. A type is `str`, `int`, `float` or
`bool`, a list of one (`[str]`), or an object of named ones (`[{text: str, right: bool}]`).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import polars as pl
from pydantic import BeforeValidator

from filters.sql.engine import quoted
from schemas.errors import ConfigError, nearest
from schemas.sample import SAMPLE

_PLAIN: Mapping[str, tuple[pl.DataType, str]] = {
    "str": (pl.String(), "VARCHAR"),
    "int": (pl.Int64(), "BIGINT"),
    "float": (pl.Float64(), "DOUBLE"),
    "bool": (pl.Boolean(), "BOOLEAN"),
}
_TAKEN = frozenset(
    (*SAMPLE, "sample_id", "made_by", "kind", "dataset", "image", "images", "conversation", "group", "row")
)
"""Names of columns that every sample has, or that ingest reads for itself."""

PREFIX = "given."
"""What the columns are called in a table of `pipelines.sources.read`."""

Type = Any
"""A type as a recipe writes it."""


def _checked(type_: Type) -> Type:
    if isinstance(type_, str) and type_ in _PLAIN:
        return type_
    if isinstance(type_, list) and len(type_) == 1:
        return [_checked(type_[0])]
    if isinstance(type_, dict) and type_ and all(isinstance(name, str) and name.isidentifier() for name in type_):
        return {name: _checked(value) for name, value in type_.items()}
    hint = nearest(type_, _PLAIN) if isinstance(type_, str) else ""
    raise ValueError(
        f"a column has one of the types {', '.join(_PLAIN)}, a list of one ([str]), or an object ({{text: str}}).{hint}"
    )


def _named(columns: Any) -> Any:
    if not isinstance(columns, dict):
        raise ValueError("write the columns that samples keep with their types, such as {caption: str}")
    for name in columns:
        if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
            raise ValueError(f"'{name}' cannot name a column; use small letters, digits and underscores")
        if name in _TAKEN:
            raise ValueError(f"'{name}' is a column that samples have already; rename yours in 'select'")
    return {name: _checked(type_) for name, type_ in columns.items()}


Columns = Annotated[dict[str, Type], BeforeValidator(_named)]
"""Columns by their names, each with its type."""


def dtype_of(type_: Type) -> pl.DataType:
    """The polars type of a column."""
    if isinstance(type_, list):
        return pl.List(dtype_of(type_[0]))
    if isinstance(type_, dict):
        return pl.Struct({name: dtype_of(value) for name, value in type_.items()})
    return _PLAIN[type_][0]


def dtypes(sources: Iterable[Mapping[str, Type]]) -> dict[str, pl.DataType]:
    """The columns of all sources together. A sample whose source has not all of them has nulls there.

    Raises ConfigError where two sources give a column of one name different types.
    """
    found: dict[str, Type] = {}
    for columns in sources:
        for name, type_ in columns.items():
            if found.setdefault(name, type_) != type_:
                raise ConfigError(f"Two sources give '{name}' different types: {found[name]} and {type_}.")
    return {name: dtype_of(type_) for name, type_ in found.items()}


def given(source: str, columns: Mapping[str, Type], found: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """SQL for each column, by its name with `PREFIX`, and for `odd`, the first that does not have its type in a row.

    `found` is what the SELECT gives, by small letters: the name and its DuckDB type. Raises ConfigError for a column that it
    does not give.
    """
    parts, odd = {}, []
    for name, type_ in columns.items():
        if name not in found:
            raise ConfigError(
                f"Source '{source}': columns: its rows have no '{name}'.{nearest(name, found)} Name it in 'select'."
            )
        column = quoted(found[name][0])
        value = column if isinstance(type_, str) or found[name][1] != "VARCHAR" else f"TRY_CAST({column} AS JSON)"
        parts[PREFIX + name] = f"TRY_CAST({value} AS {_sql(type_)})"
        odd.append(f"WHEN {column} IS NOT NULL AND {parts[PREFIX + name]} IS NULL THEN '{name}'")
    return parts | {"odd": f"CASE {' '.join(odd)} END" if odd else "CAST(NULL AS VARCHAR)"}


def _sql(type_: Type) -> str:
    if isinstance(type_, list):
        return f"{_sql(type_[0])}[]"
    if isinstance(type_, dict):
        return "STRUCT(" + ", ".join(f'"{name}" {_sql(value)}' for name, value in type_.items()) + ")"
    return _PLAIN[type_][1]
