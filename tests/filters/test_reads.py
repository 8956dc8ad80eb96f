"""What steps read alike."""

import polars as pl
import pytest

from filters.reads import gold_reads, number, of_sample


def test_a_gold_is_the_samples_own_whatever_a_row_calls_its_answer(known) -> None:
    assert of_sample("question", "sample", known()) == "question"
    assert {name: one.ref for name, one in gold_reads("trace", known()).items()} == {
        "answer": ("sample", "answer"),
        "verifier": ("sample", "verifier"),
        "options": ("sample", "options"),
    }


@pytest.mark.parametrize("dtype", [pl.Int32(), pl.Int64(), pl.Float64(), pl.UInt8()])
def test_numbers_of_any_width_are_read(known, dtype) -> None:
    assert number("tokens", "trace", known({"trace": {"tokens": dtype}})).dtype == dtype


def test_what_is_no_number_is_refused_and_what_is_not_there_is_left_to_the_compiler(known) -> None:
    here = known({"trace": {"tokens": pl.String()}})
    with pytest.raises(ValueError, match="the column tokens is String"):
        number("tokens", "trace", here)
    assert number("score", "trace", here, optional=True).optional
    assert not number("score", "trace", here).optional
