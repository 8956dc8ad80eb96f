"""The types of names, for step types that ask what there is before them."""

from collections.abc import Iterator, Mapping

import polars as pl

from pipelines.compiler.columns import NameFault, Node
from pipelines.compiler.names import Names


class Types(Mapping[str, pl.DataType]):
    """The types of all names that rows of a node may be read by, as text; each is looked up when it is asked for."""

    def __init__(self, names: Names, node: Node) -> None:
        self._names, self._node = names, node

    def __getitem__(self, name: str) -> pl.DataType:
        try:
            return self._names.find(self._node, tuple(name.split(".")), text=True).dtype
        except NameFault:
            if self._names.has(self._node, tuple(name.split("."))):
                raise  # it is there, and may not be read by that name
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.types(self._node))

    def __len__(self) -> int:
        return len(self._names.types(self._node))
