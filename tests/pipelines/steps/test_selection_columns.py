"""Where a selection's columns come from, and what follows from a row's own."""

import polars as pl
import pytest

from filters.select.bands import BandConfig
from pipelines.steps.selection_columns import Measured, reads, with_columns


@pytest.mark.parametrize(
    ("section", "name", "address"),
    [
        ({}, "k", "k"),
        ({"k": "seen"}, "k", "seen.k"),
        ({"k": "seen"}, "score_std", "seen.score_std"),
        ({"k": "seen"}, "log_psi", "log_psi"),
        ({"k": "seen"}, "k_text", "k_text"),
        ({"blind": "text_only"}, "n_text", "text_only.n"),
        ({"guesses": "guess"}, "k_guess", "guess.k"),
        ({"k": "seen", "columns": {"k_formed": "formed.k"}}, "k_formed", "formed.k"),
        ({"k": "seen", "columns": {"k": "other.k"}}, "k", "other.k"),
    ],
)
def test_a_rule_reads_the_numbers_of_the_named_steps(section: dict[str, object], name: str, address: str) -> None:
    assert Measured.model_validate(section).address(name) == address


def test_a_column_is_read_if_it_is_wanted_and_compared_if_it_is_there() -> None:
    found = reads(
        ("k", "n", "cluster"), Measured(k="seen"), ("tokens", "pass_rate", "band", "kind"), {"seen.tokens": pl.Int32()}
    )
    assert {name: ".".join(column.ref) for name, column in found.items()} == {
        "k": "seen.k",
        "n": "seen.n",
        "tokens": "seen.tokens",
        "of_answer": "answer",
    }


def test_what_follows_from_a_row_is_computed_and_counts_out_of_none_are_no_counts() -> None:
    rows = pl.DataFrame(
        {
            "k": [0, 4, 0],
            "n": [8, 8, 0],
            "of_source": [{"dataset": "a"}, {"dataset": "b"}, {"dataset": "a"}],
            "of_answer": [{"kind": "choice"}, {"kind": "boolean"}, {"kind": "number"}],
            "of_lang": ["en", None, "de"],
        }
    )
    found = with_columns(rows, BandConfig()).select("k", "n", "band", "source", "kind", "form", "lang")
    assert found.rows() == [
        (0, 8, "never", "a", "choice", "choice", "en"),
        (4, 8, "medium", "b", "boolean", "binary", None),
        (None, None, None, "a", "number", "open", "de"),
    ]
