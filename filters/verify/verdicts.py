"""One way from rows to verdicts: a gold is read once, and what was judged once is not judged again.

A verdict depends on the gold with its verifier, and on the span of a response that holds its answer. So among the rows
of a batch each pair of the two is put to the pool once, in the order in which it first comes, however often it comes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from filters.verify.catalogue import KINDS
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem
from schemas.answer import Answer, load_answer
from schemas.answer_span import answer_span
from schemas.verdict import VERDICT, Verdict

_FIELDS = tuple(VERDICT)


@dataclass(frozen=True, slots=True, eq=False)
class Gold:
    """A gold answer with all that a response to it is judged by. `whole`: its kind looks at the whole response."""

    answer: Answer
    verifier: str | None
    params: Mapping[str, Any]
    options: tuple[str, ...]
    kind: str
    whole: bool


class Golds:
    """The golds of a batch, each read once and the same object wherever it comes again."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str | None, str | None, tuple[str, ...]], Gold] = {}

    def read(
        self, answer: Mapping[str, Any], verifier: Mapping[str, Any] | None, options: Sequence[str] | None
    ) -> Gold:
        """The gold of a row's columns. Raises ValueError where answer or parameters cannot be read."""
        name, params = (verifier["id"], verifier["params"]) if verifier else (None, None)
        key = (answer["parsed"], name, params, tuple(options or ()))
        known = self._read.get(key)
        if known is None:
            gold = load_answer(key[0])
            kind = (name or gold.kind).partition(":")[0]
            whole = kind in KINDS and KINDS[kind].whole
            known = self._read[key] = Gold(gold, name, json.loads(params or "{}"), key[3], kind, whole)
        return known


Asked = tuple[Gold, str, str]
"""A gold, a response, and the tag schema of the response."""


def judge(asked: Iterable[Asked], pool: VerifierPool) -> list[Verdict]:
    """One verdict for each, in order."""
    places: list[int] = []
    verdicts = list(pool.verify_many(_different(asked, places)))
    return [verdicts[place] for place in places]


def verdict_columns(
    rows: pl.DataFrame, responses: Sequence[str | None], pool: VerifierPool, tags: str | Sequence[str]
) -> list[pl.Series]:
    """The columns `VERDICT` of responses to `rows` (`answer, verifier, options`), in their order; null is an empty one."""
    schemas = [tags] * rows.height if isinstance(tags, str) else tags
    places: list[int] = []
    found = list(pool.verify_many(_different(_asked(rows, responses, schemas), places)))
    columns = {name: [getattr(verdict, name) for verdict in found] for name in _FIELDS}
    table = pl.DataFrame(columns, schema=VERDICT)
    return list(table[places].iter_columns()) if places else list(table.iter_columns())


def _asked(rows: pl.DataFrame, responses: Sequence[str | None], tags: Sequence[str]) -> Iterator[Asked]:
    golds = Golds()
    columns = rows.select("answer", "verifier", "options").iter_rows()
    for (answer, verifier, options), response, schema in zip(columns, responses, tags, strict=True):
        yield golds.read(answer, verifier, options), response or "", schema


def _different(asked: Iterable[Asked], places: list[int]) -> Iterator[VerifyItem]:
    """What has to be judged; `places` gets, for each that was asked, the number of its item."""
    known: dict[tuple[Gold, str | None], int] = {}
    for gold, response, tags in asked:
        key = (gold, response if gold.whole else answer_span(response, tags))
        place = known.get(key)
        if place is None:
            place = known[key] = len(known)
            places.append(place)
            yield VerifyItem(response, gold.answer, gold.verifier, gold.params, gold.options, tags)
        else:
            places.append(place)
