"""The columns that rows of every unit have, and that a body gets without reading them."""

from collections import ChainMap
from collections.abc import Iterable, Mapping

import polars as pl

from schemas.step import Read, Reference, reads_of

OWN = {name: pl.String() for name in ("id", "sample_id", "parent_id", "made_by")}


def beyond_own(references: Iterable[Reference]) -> dict[str, Read]:
    """The reads of columns by their dotted names, without those that come by themselves."""
    return {name: read for name, read in reads_of(references).items() if name not in OWN}


def with_own(types: Mapping[str, pl.DataType]) -> Mapping[str, pl.DataType]:
    """The types of columns, looked up when they are asked for, with those of the columns that come by themselves."""
    return ChainMap(dict(OWN), types)  # type: ignore[arg-type]  # nothing writes into the second
