"""Which rows of a release an export holds: those of some configs, those that meet a condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from filters.sql.expression import Condition
from schemas.errors import ConfigError
from schemas.ids import content_id

_SHOWN = "images.list.element.path"
"""All that a condition may read of images: their bytes would be the most of a file."""


@dataclass(frozen=True)
class Selection:
    """`where` is an SQL condition over the columns of a row; null leaves a row out, as false does. No configs: all.

    Raises ConfigError for what is no condition.
    """

    where: str | None = None
    configs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.condition

    @cached_property
    def condition(self) -> Condition | None:
        """`where`, read."""
        try:
            return None if self.where is None else Condition(self.where)
        except ValueError as error:
            raise ConfigError(f"--where: {error}.") from None

    @property
    def key(self) -> dict[str, Any]:
        """What tells this selection from another; empty for all rows."""
        configs = {"configs": sorted(self.configs)} if self.configs else {}
        return configs | ({} if self.condition is None else {"where": self.condition.text})

    @property
    def suffix(self) -> str:
        """What the name of a folder has more than that of a whole export: nothing, or eight digits of the key."""
        return f"-{content_id(self.key)[:8]}" if self.key else ""

    def check(self, config: str, table: Path) -> None:
        """Raise ConfigError where the condition cannot be put to the rows of a config, of which `table` is a file."""
        try:
            if self.condition is not None:
                self.condition.type(_typed(table))
        except ValueError as error:
            raise ConfigError(f"--where, of the rows of '{config}': {error}.") from None

    def verdicts(self, table: Path) -> pl.Series | None:
        """True, false or null for each row of a file, in their order; None where all are wanted."""
        if self.condition is None:
            return None
        names = [".".join(reference) for reference in self.condition.references]
        read = pq.ParquetFile(table).read(columns=[_SHOWN if name == "images" else name for name in names])
        rows = pl.from_arrow(read)
        assert isinstance(rows, pl.DataFrame)
        if not names:
            rows = pl.select(pl.repeat(None, pq.read_metadata(table).num_rows).alias("row"))
        return self.condition.evaluate(rows)


def _typed(table: Path) -> Mapping[str, pl.DataType]:
    schema = pl.from_arrow(pq.read_schema(table).empty_table())
    assert isinstance(schema, pl.DataFrame)
    return schema.schema
