"""SQL of a stranger in a step: nothing is read but its rows, nothing is written, and nothing ends the process."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hostile_sql import PLACES, SECRET, SELECTS, hostile, plant, tried
from hypothesis import given, settings

from filters.sql.aggregate import Aggregate
from filters.sql.expression import Condition, Expression
from filters.sql.reach import acting, check_reach
from filters.sql.select import Select

ROOT = Path(__file__).parents[3]
FRAME = pl.DataFrame({"id": ["a"], "question": ["q"], "answer": ["2"], "sample_id": ["a"], "k": [1]})
MANY = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with secrets, as the current folder of a process that has one in its environment."""
    root = tmp_path_factory.mktemp("stranger")
    plant(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_PLANTED", SECRET)
        patch.chdir(root)
        yield root


@MANY
@given(sql=hostile(PLACES))
def test_no_expression_condition_or_aggregate_reaches_out(sql: str, there: Path) -> None:
    tried(sql, there, lambda text: Expression(text).evaluate(FRAME).to_list())
    tried(sql, there, lambda text: Condition(text).evaluate(FRAME).to_list())
    tried(sql, there, lambda text: Aggregate(text).evaluate(FRAME, "sample_id").rows())


@MANY
@given(sql=hostile(SELECTS))
def test_no_select_of_a_step_reaches_out(sql: str, there: Path) -> None:
    tried(sql, there, lambda text: Select(text).run({"rows": FRAME}).rows())


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (FROM raw) SELECT question, answer FROM a",
        "SELECT question, unnest(answers) AS answer FROM raw",
        "SELECT r.question, v.answer FROM raw r, (VALUES ('a')) v(answer), range(2)",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i AS question FROM n",
        "SELECT question, (SELECT max(answer) FROM main.raw) AS answer, current_date FROM RAW ORDER BY random()",
        "UNPIVOT raw ON a, b INTO NAME question VALUE answer",
        "SELECT 'read_text(secret)' AS question FROM raw -- query('x')",
    ],
)
def test_what_reads_its_own_rows_is_let_through(sql: str) -> None:
    check_reach(sql, ["raw"])


def test_a_text_that_acts_is_known_without_its_tree() -> None:
    assert acting("PIVOT a ON b; FROM Pandas_Scan (NULL)") == "pandas_scan"
    assert acting("SELECT * FROM \"enable_logging\" (storage = 'file')") == "enable_logging"
    assert acting("SELECT k AS query, checkpoint FROM rollouts WHERE text = 'query'") is None


def test_one_door_opens_databases() -> None:
    """A new `duckdb.connect` would have to be locked as well."""
    opens = re.compile(r"duckdb\.(connect|sql|query|execute|default_connection|read_\w+|from_\w+)\b|from duckdb import")
    found = {
        str(path.relative_to(ROOT))
        for room in ("flows", "pipelines", "generators", "filters", "schemas")
        for path in (ROOT / room).rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"filters/sql/engine.py"}
