"""Where a selection's columns come from."""

import polars as pl
import pytest
from pydantic import ValidationError

from pipelines.steps.selection_columns import Measured, reads


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
        ({"k": {"small": "by_3b", "large": "by_72b"}}, "k_large", "by_72b.k"),
        ({"k": {"small": "by_3b", "large": "by_72b"}}, "mean_score_small", "by_3b.mean_score"),
        ({"k": {"small": "by_3b", "large": "by_72b"}}, "n", "by_3b.n"),
        ({"k": {"small": "by_3b", "large": "by_72b"}}, "k_text", "k_text"),
        ({"k": {"tool": "tooled", "direct": "bare"}}, "n_direct", "bare.n"),
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


def test_a_difficulty_says_whether_enough_rollouts_counted() -> None:
    names = ("k_small", "n_small", "mean_score_large", "band_small", "k_text")
    known = dict.fromkeys(("a.enough", "b.enough", "checks.enough", "k_text"), pl.Boolean())
    found = reads(names, Measured(k={"small": "a", "large": "b"}), (), known)
    assert {name: ".".join(column.ref) for name, column in found.items()} == {
        "k_small": "a.k",
        "n_small": "a.n",
        "mean_score_large": "b.mean_score",
        "k_text": "k_text",
        "enough:k_small": "a.enough",
        "enough:n_small": "a.enough",
        "enough:mean_score_large": "b.enough",
    }


@pytest.mark.parametrize("student", ["correct", "A", "my student"])
def test_a_student_has_a_name_that_no_number_has(student: str) -> None:
    with pytest.raises(ValidationError):
        Measured.model_validate({"k": {student: "seen"}})
