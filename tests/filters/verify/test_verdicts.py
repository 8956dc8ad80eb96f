"""Verdicts of columns of responses: those of the pool one by one, and none is asked for twice."""

from typing import Any

import polars as pl

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import Golds, judge, verdict_columns
from filters.verify.verifier import VerifyItem
from schemas.answer import dump_answer
from schemas.verdict import VERDICT, Verdict


def rows_of(golds: list[str], kind: str = "number") -> pl.DataFrame:
    answers = [{"kind": kind, "raw": g, "parsed": dump_answer(parse_gold(kind, g))} for g in golds]
    table = {"answer": answers, "verifier": [{"id": kind, "params": "{}"}] * len(golds), "options": [[]] * len(golds)}
    return pl.DataFrame(table, schema_overrides={"options": pl.List(pl.String)})


class Counting(VerifierPool):
    """A pool that notes what it is asked."""

    asked: list[VerifyItem]

    def verify_many(self, items: Any) -> Any:
        self.asked = list(items)
        return super().verify_many(self.asked)


def test_what_was_judged_is_not_judged_again() -> None:
    rows = rows_of(["4", "4", "5", "4"])
    texts = ["<think>a</think><answer>4</answer>", "<think>b</think><answer>4</answer>", "<answer>4</answer>", None]
    with Counting(1) as pool:
        found = verdict_columns(rows, texts, pool, "think_answer")
        assert len(pool.asked) == 3
    table = pl.DataFrame(found)
    assert table.schema == VERDICT
    assert table["correct"].to_list() == [True, True, False, False]
    assert table["extracted"].to_list() == ["4", "4", "4", None]


def test_verdicts_are_those_of_the_pool_one_by_one() -> None:
    golds, texts = ["4", "1/2", "7 cm"], ["4", "0.5", "7", "70 mm", "eight", "", "<answer>4</answer>", "\\boxed{1/2}"]
    table = pl.concat([rows_of([gold]) for gold in golds for _ in texts])
    texts = texts * len(golds)
    with VerifierPool(1) as pool:
        found = pl.DataFrame(verdict_columns(table, texts, pool, "plain"))
        readers = Golds()
        asked = [(readers.read(*row[:3]), text, "plain") for row, text in zip(table.iter_rows(), texts, strict=True)]
        alone = [pool.verify(VerifyItem(text, gold.answer, gold.verifier, tags="plain")) for gold, text, _ in asked]
        assert judge(asked, pool) == alone
    assert [Verdict(**row) for row in found.iter_rows(named=True)] == alone


def test_no_rows_give_columns_all_the_same() -> None:
    with VerifierPool(1) as pool:
        assert pl.DataFrame(verdict_columns(rows_of(["4"]).head(0), [], pool, "plain")).schema == VERDICT
