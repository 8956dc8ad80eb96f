"""No column that steps give needs quotes in SQL."""

from types import SimpleNamespace

import duckdb
import pytest

from filters import agree, difficulty_step, pair, pick, quality_step
from filters.verify import step as verify


@pytest.mark.parametrize(
    ("step", "config"),
    [
        (verify.STEP, {}),
        (agree.STEP, {"between": ("a", "b")}),
        (difficulty_step.STEP, {}),
        (pair.STEP, {"margin": {"column": "score", "at_least": 1}}),
        (pick.STEP, {"take": "random"}),
        (quality_step.STEP, {}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_columns_can_be_written_bare(step, config) -> None:
    names = step.gives(step.config(**config), SimpleNamespace(types=lambda of: {})).columns
    values = ", ".join(f"1 AS {name}" for name in names) or "1 AS none_given"
    found = duckdb.sql(f"SELECT {', '.join(names) or 'none_given'} FROM (SELECT {values})")
    assert found.columns == list(names or ["none_given"])
