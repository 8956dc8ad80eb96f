from dataclasses import fields

import polars as pl
import pytest

import schemas.verdict
from schemas.verdict import VERDICT, Verdict, unscored


def test_the_table_has_the_fields_of_the_record_in_their_order() -> None:
    assert list(VERDICT) == [f.name for f in fields(Verdict)]


def test_verdicts_make_a_table() -> None:
    verdicts = [Verdict(0.5, True, "x", "half", "rule", "g", "x"), unscored("nobody could tell")]
    table = pl.DataFrame([v.to_row() for v in verdicts], schema=VERDICT)
    assert table["score"].to_list() == [0.5, None]
    assert table["correct"].to_list() == [True, None]


def test_unscored_is_not_wrong() -> None:
    verdict = unscored("it hung", "timeout", "x")
    assert (verdict.score, verdict.correct, verdict.tier, verdict.extracted) == (None, None, "timeout", "x")


def test_there_is_nothing_else_in_the_module() -> None:
    with pytest.raises(AttributeError, match="VERDIKT"):
        _ = schemas.verdict.VERDIKT
