"""What follows from a candidate's columns, and what is no evidence."""

import polars as pl

from filters.select.bands import BandConfig
from filters.select.row_columns import with_columns


def test_what_follows_from_a_row_is_computed_and_counts_out_of_none_are_no_counts() -> None:
    rows = pl.DataFrame(
        {
            "k": [0, 4, 0],
            "n": [8, 8, 0],
            "of_source": [{"dataset": "a"}, {"dataset": "b"}, {"dataset": "a"}],
            "of_answer": [
                {"kind": kind, "parsed": parsed}
                for kind, parsed in (
                    ("choice", '{"letters":["A","C"]}'),
                    ("boolean", '{"value":true}'),
                    ("number", '{"value":"4"}'),
                )
            ],
            "of_lang": ["en", None, "de"],
        }
    )
    found = with_columns(rows, BandConfig()).select("k", "n", "band", "source", "kind", "form", "gold", "lang")
    assert found.rows() == [
        (0, 8, "never", "a", "choice", "choice", "A,C", "en"),
        (4, 8, "medium", "b", "boolean", "binary", "true", None),
        (None, None, None, "a", "number", "open", None, "de"),
    ]


def test_too_few_rollouts_are_no_evidence() -> None:
    rows = pl.DataFrame({"k_small": [0, 0, 1], "n_small": [1, 4, 2], "enough:k_small": [False, True, None]})
    rows = rows.with_columns(pl.col("enough:k_small").alias("enough:n_small"))
    assert with_columns(rows, BandConfig()).select("k_small", "n_small", "band_small").rows() == [
        (None, None, None),
        (0, 4, "never"),
        (1, 2, "medium"),
    ]
