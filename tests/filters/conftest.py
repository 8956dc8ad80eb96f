"""What tests of steps share: a scripted context, golds as rows hold them, what the compiler knows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from schemas.answer import dump_answer
from schemas.engine import MediaReader
from schemas.sample import ANSWER, VERIFIER


@dataclass
class Scripted:
    """The context of a step by that name."""

    name: str
    pool: VerifierPool
    seed: int = 0
    gold_visible: bool = False

    @property
    def media(self) -> MediaReader:
        raise AssertionError("no step of filters looks at images")

    def verifiers(self) -> VerifierPool:
        return self.pool


@dataclass
class Columns:
    """What the compiler knows: the columns of units, and of what they are made."""

    units: Mapping[str, Mapping[str, pl.DataType]] = field(default_factory=dict)
    above: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    def types(self, of: str | tuple[str, ...]) -> Mapping[str, pl.DataType]:
        return self.units[of if isinstance(of, str) else of[0]]

    def unit(self, of: str | tuple[str, ...]) -> str:
        return of if isinstance(of, str) else of[0]

    def parent(self, unit: str) -> str:
        return self.above.get(unit, "sample")

    def parents(self, of: str | tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        parent = self.above.get(self.unit(of), "sample")
        return {one: (f"made_{one}",) for one in ((parent,) if isinstance(parent, str) else parent)}


@pytest.fixture(scope="session")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(1) as pool:
        yield pool


@pytest.fixture
def context(pool: VerifierPool) -> Callable[..., Scripted]:
    return lambda name="step", seed=0: Scripted(name, pool, seed)


@pytest.fixture
def known() -> type[Columns]:
    return Columns


@pytest.fixture
def gold() -> Callable[..., dict[str, Any]]:
    """The columns `answer, verifier, options` of a sample, and their types as `gold.types`."""

    def columns(kind: str, raw: str, options: Sequence[str] | None = None, params: str = "{}") -> dict[str, Any]:
        parsed = dump_answer(parse_gold(kind, raw, options=options or ()))
        answer = {"kind": kind, "raw": raw, "parsed": parsed}
        return {"answer": answer, "verifier": {"id": kind, "params": params}, "options": options}

    columns.types = {"answer": ANSWER, "verifier": VERIFIER, "options": pl.List(pl.String)}  # type: ignore[attr-defined]
    return columns
