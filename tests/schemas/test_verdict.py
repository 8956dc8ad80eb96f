from dataclasses import fields

import pytest

import schemas.verdict
from schemas.verdict import VERDICT, Verdict, unscored


def test_the_table_has_the_fields_of_the_record_in_their_order() -> None:
    assert list(VERDICT) == [f.name for f in fields(Verdict)]


def test_unscored_is_not_wrong() -> None:
    verdict = unscored("it hung", "timeout", "x")
    assert (verdict.score, verdict.correct, verdict.tier, verdict.extracted) == (None, None, "timeout", "x")


def test_there_is_nothing_else_in_the_module() -> None:
    with pytest.raises(AttributeError, match="VERDIKT"):
        _ = schemas.verdict.VERDIKT
