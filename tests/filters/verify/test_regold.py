"""What a column says becomes a gold, or a cause why it cannot."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from filters.verify.pool import VerifierPool
from filters.verify.regold import REGOLD, drop_untrue, regold


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(1, 5.0) as made:
        yield made


def table(*rows: tuple[Any, ...]) -> pl.DataFrame:
    schema = {
        "id": pl.String(),
        "q": pl.String(),
        "a": pl.String(),
        "options": pl.List(pl.String()),
        "kind": pl.String(),
    }
    return pl.DataFrame([(f"r{i}", *row) for i, row in enumerate(rows)], schema=schema, orient="row")


@pytest.mark.parametrize(
    ("row", "cause", "parsed"),
    [
        ((" How many? ", " 7 ", None, "number"), None, {"kind": "number", "raw": "7", "value": "7"}),
        (("Which?", "B", ["cat", "dog"], "choice"), None, {"letters": ["B"], "texts": ["dog"]}),
        (("Which?", "red", None, None), None, {"kind": "text", "value": "red"}),
        (("Which?", "Yes", None, " Boolean"), None, {"kind": "boolean", "values": [True]}),
        (("  ", "7", None, None), "no_question", None),
        ((None, "7", None, None), "no_question", None),
        (("How many?", None, None, None), "no_answer", None),
        (("How many?", "\n", None, None), "no_answer", None),
        (("How many?", "many", None, "number"), "unparsable_gold", None),
        (("Which?", "bird", ["cat", "dog"], "choice"), "gold_outside_options", None),
        (("Which?", "cat", ["cat", None], "choice"), "null_option", None),
        (("Which?", "cat", None, "animal"), "unparsable_gold", None),
        (("Which?", "x = 1", None, "equation"), "unparsable_gold", None),
        (("Which?", '{"a": "\\ud800"}', None, "json"), "unparsable_gold", None),
    ],
)
def test_a_gold_is_read_as_strictly_as_a_published_one(row: Any, cause: str | None, parsed: Any) -> None:
    found = regold(table(row), "q", "a", options="options", kinds="kind")
    assert found.schema == REGOLD
    made = found.to_dicts()[0]
    assert made["cause"] == cause
    told = json.loads(made["answer"]["parsed"] or "null")
    assert told is None if parsed is None else told.items() >= parsed.items()
    assert ("error" in json.loads(made["evidence"])) == (cause in ("unparsable_gold", "gold_outside_options"))


def test_parameters_are_the_verifiers() -> None:
    found = regold(table(("How many?", "7", None, None)), "q", "a", "number", params={"rel_tol": 0.1})
    assert json.loads(found["verifier"][0]["params"]) == {"rel_tol": 0.1}
    assert found["cause"].to_list() == [None]


def test_a_gold_is_put_to_its_own_verifier(pool: VerifierPool) -> None:
    rows = table(
        ("How many?", "7", None, "number"),
        ("Why?", "", None, None),
        ("Which?", "I cannot answer this question.", None, None),
    )
    tested = drop_untrue(regold(rows, "q", "a", kinds="kind"), pool, 0)
    assert tested["cause"].to_list() == [None, "no_answer", "selftest"]
    assert json.loads(tested["evidence"][2])["check"] == "refusal"


def test_the_outcome_of_a_row_is_that_of_the_row_alone(pool: VerifierPool) -> None:
    rows = table(*((f"How many of {i}?", str(i), None, "number") for i in range(12)))
    golds = regold(rows, "q", "a", kinds="kind")
    together = drop_untrue(golds, pool, 0)
    alone = pl.concat([drop_untrue(golds[i], pool, 0) for i in range(12)])
    assert together.equals(alone)


def test_an_empty_table_stays_one(pool: VerifierPool) -> None:
    found = drop_untrue(regold(table(), "q", "a", options="options"), pool, 0)
    assert found.is_empty() and found.schema == REGOLD
