"""A text of SQL that was read once, and whose every complaint starts with it."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from filters.sql.engine import too_much, words
from schemas.errors import nearest
from schemas.step import Reference


class Parsed:
    """SQL over columns. Equal text is equal SQL.

    `references` are the columns that it reads, cut at their dots. A field of a struct is `(verifier).id`, because
    `verifier.id` is the column that a step named `verifier` gives.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        try:
            self.references: frozenset[Reference] = self._read(text)
        except RecursionError:
            raise self.error("is nested too deeply") from None
        except ValueError as error:
            raise self.error(str(error)) from None

    def _read(self, text: str) -> frozenset[Reference]:
        """Parse and check; the references. Raises ValueError with the end of a sentence."""
        raise NotImplementedError

    def _write(self, lenient: bool) -> str:
        """A SELECT over the table `rows`; lenient: in which a row whose values make it fail has no value."""
        raise NotImplementedError

    def _run(self, query: Callable[[str], pl.DataFrame], lenient: bool = True) -> pl.DataFrame:
        """What `query` makes of the SELECT, or else, because of the values of some row, of the lenient one."""
        import duckdb

        try:
            try:
                return query(self._write(False))
            except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
                if not lenient:
                    raise
                try:
                    return query(self._write(True))
                except duckdb.Error:
                    raise error from None
        except duckdb.OutOfMemoryException as error:
            raise self.error(too_much(error)) from None
        except (duckdb.Error, ValueError) as error:
            raise self.error(words(error)) from None

    def _names(self, schema: Mapping[str, Any]) -> list[str]:
        """The dotted names of the references. Raises ValueError for one that `schema` does not have."""
        names = sorted(".".join(reference) for reference in self.references)
        for name in names:
            if name not in schema:
                first, _, rest = name.partition(".")
                hint = (
                    f" A field of {first} is ({first}).{rest}." if rest and first in schema else nearest(name, schema)
                )
                raise self.error(f"reads {name}, which nothing gives.{hint}")
        if len({name.lower() for name in names}) < len(names):
            raise self.error("reads two columns whose names differ in capitals only, which SQL takes for one")
        return names

    def error(self, end: str) -> ValueError:
        """A ValueError that starts with the text."""
        return ValueError(f"`{shown(self.text)}` {end}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Parsed) and self.text == other.text

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text,)


def shown(text: str) -> str:
    """A text as messages show it."""
    return text if len(text) <= 200 else text[:200] + "…"


def checked(kind: Callable[[str], Parsed]) -> Callable[[str], str]:
    """A pydantic validator of texts that `kind` reads."""

    def check(text: str) -> str:
        kind(text)
        return text

    return check
