"""Which SELECTs a recipe may hold, the sentence for others, and that samples may be computed apart."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.sql.select import Select

TEXT = pl.String()
COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("id", "sample_id", "parent_id", "made_by", "text", "judge", "side"), TEXT),
    "k": pl.Int64(),
    "difficulty.k": pl.Int64(),
    "x": pl.Float64(),
    "words": pl.List(TEXT),
}
SCHEMAS = {"rows": COLUMNS, "t": COLUMNS}

BEST = "WITH best AS (SELECT sample_id, max(k) AS m FROM rows GROUP BY sample_id) "
PAIRS = (
    "SELECT c.id AS parent_id, c.text AS chosen, r.text AS rejected FROM rows c JOIN rows r ON c.sample_id = r.sample_id "
    "WHERE c.k > r.k "
)

ROW = [
    "SELECT id AS parent_id, k FROM rows",
    "SELECT id AS parent_id, difficulty.k AS d, rows.difficulty.k AS e FROM rows",
    "SELECT id AS parent_id, k > 0 AS good FROM rows WHERE good",
    "SELECT id AS parent_id, unnest(words) AS word FROM rows",
    "SELECT id AS parent_id, list_transform(words, lambda k: k || judge) AS n FROM rows",
    "SELECT id AS parent_id, k FROM rows UNION ALL SELECT id, k + 1 FROM rows UNION ALL SELECT id, k + 2 FROM rows",
    "SELECT a.id AS parent_id FROM (SELECT id, k FROM rows) a WHERE a.k = 1",
    "SELECT id AS parent_id, k FROM rows ORDER BY k",
]
SAMPLE = [
    "SELECT sample_id AS parent_id, count(*) AS n, sum(x) AS s, avg(x) FILTER (k > 1) AS a FROM rows GROUP BY sample_id",
    "SELECT sample_id AS parent_id, k > 0 AS good, count(*) AS n FROM rows GROUP BY sample_id, good HAVING n > 1",
    "SELECT sample_id AS parent_id, first(judge ORDER BY k, id) AS j FROM rows GROUP BY sample_id",
    "SELECT r.id AS parent_id, list(t.k ORDER BY t.id) AS l FROM rows r JOIN t USING (sample_id) GROUP BY r.sample_id, r.id",
    "SELECT sample_id AS parent_id, list(DISTINCT judge) AS j FROM rows GROUP BY sample_id",
    "SELECT sample_id AS parent_id, md5(text) AS h, count(*) AS n FROM rows GROUP BY sample_id, md5(text)",
    "SELECT DISTINCT sample_id AS parent_id, judge FROM rows",
    "SELECT id AS parent_id, row_number() OVER (PARTITION BY sample_id ORDER BY k, id) AS n FROM rows",
    "SELECT id AS parent_id, rank() OVER (PARTITION BY sample_id ORDER BY k) AS n FROM rows",
    "SELECT id AS parent_id, x - avg(x) OVER (PARTITION BY sample_id) AS n FROM rows",
    "SELECT id AS parent_id, lag(k, 2, 7) OVER (PARTITION BY sample_id ORDER BY x, id) AS n FROM rows",
    "SELECT id AS parent_id, sum(x) OVER (PARTITION BY sample_id ORDER BY k, id ROWS UNBOUNDED PRECEDING) AS n FROM rows",
    "SELECT r.id AS parent_id, t.text FROM rows r JOIN t ON t.sample_id = r.sample_id AND t.parent_id = r.id",
    "SELECT r.id AS parent_id, t.k FROM rows r LEFT JOIN t USING (sample_id)",
    "SELECT r.id AS parent_id FROM rows r ANTI JOIN t USING (sample_id)",
    BEST + "SELECT r.id AS parent_id, best.m FROM rows r JOIN best ON best.sample_id = r.sample_id WHERE r.k = best.m",
    PAIRS + "QUALIFY row_number() OVER (PARTITION BY c.sample_id ORDER BY md5(c.id || r.id), c.id, r.id) <= 15",
]
ALL = {
    "SELECT judge AS parent_id, count(*) AS n FROM rows GROUP BY judge": "group by sample_id too",
    "SELECT max(id) AS parent_id, count(*) AS n FROM rows": "group by sample_id",
    "SELECT DISTINCT judge AS parent_id FROM rows": "select sample_id too",
    "SELECT id AS parent_id, rank() OVER (ORDER BY k) AS n FROM rows": "add PARTITION BY sample_id",
    "SELECT id AS parent_id, rank() OVER (PARTITION BY judge ORDER BY k) AS n FROM rows": "add PARTITION BY sample_id",
    "SELECT id AS parent_id FROM rows ORDER BY k, id LIMIT 3": "takes some of the rows of all samples",
    "SELECT a.id AS parent_id FROM (SELECT id, k FROM rows) a ORDER BY k, a.id LIMIT 3": "takes some of the rows",
    "SELECT r.id AS parent_id, t.k FROM rows r JOIN t ON r.id = t.parent_id": "join on sample_id too",
    "SELECT r.id AS parent_id FROM rows r, t WHERE r.sample_id = t.sample_id": "join on sample_id too",
    # A column by the name of sample_id that is none.
    "WITH a AS (SELECT judge AS sample_id FROM rows) SELECT sample_id AS parent_id FROM a GROUP BY sample_id": (
        "group by sample_id too"
    ),
    "WITH a AS (SELECT sample_id AS s FROM rows UNION ALL SELECT judge FROM rows) SELECT s AS parent_id FROM a GROUP BY s": (
        "group by sample_id too"
    ),
}
REFUSED = {
    "": "holds 0 statements",
    "SELECT id FROM rows; SELECT id FROM rows": "holds 2 statements",
    "SELECT id FROM rows; DROP TABLE rows": "holds 2 statements; write one",
    "ATTACH 'x.db'": "it must be a SELECT",
    "COPY rows TO 'x'": "it must be a SELECT",
    "PRAGMA database_list": "it must be a SELECT",
    "INSTALL httpfs": "it must be a SELECT",
    "SET threads = 8": "it must be a SELECT",
    "CREATE TABLE x AS SELECT 1": "it must be a SELECT",
    "VALUES (1)": "names columns by a pattern",
    "DESCRIBE rows": "names columns by a pattern",
    "SELECT * FROM rows": "names columns by a pattern",
    "SELECT COLUMNS('k') FROM rows": "names columns by a pattern",
    "SELECT 1 AS parent_id": "write FROM rows",
    "SELECT t.id FROM t": "does not read from rows",
    "SELECT id FROM '/etc/passwd'": "reads from /etc/passwd; there is rows, t",
    "SELECT id FROM read_csv('/etc/passwd')": "calls read_csv(), which reads more than the rows",
    "SELECT id FROM rows, read_text('/etc/passwd')": "calls read_text(), which reads more than the rows",
    "SELECT id FROM query('SELECT 1')": "calls query(), which reads more than the rows",
    "SELECT id FROM duckdb_settings()": "calls duckdb_settings(), which reads more than the rows",
    "SELECT id FROM information_schema.tables": "reads from information_schema.tables",
    "SELECT id FROM main.rows": "Did you mean 'rows'?",
    "SELECT id FROM range(1000)": "reads from a function",
    "SELECT id FROM range(1000000000000)": "with a size",
    "WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM x) SELECT a FROM x": "is recursive, and may never end",
    "WITH rows AS (SELECT 1 AS id) SELECT id FROM rows": "names a SELECT rows that is a table",
    "SELECT id, random() AS r FROM rows": "calls random()",
    "SELECT id FROM rows ORDER BY random()": "calls random()",
    "SELECT id, repeat('a', 1000000000) AS a FROM rows": "with a size",
    "SELECT id FROM rows TABLESAMPLE 10%": "draws a sample",
    "SELECT id FROM rows USING SAMPLE 3": "draws a sample",
    "SELECT id FROM rows LIMIT 3": "takes some of the rows in no certain order; add ORDER BY …, rows.id",
    "SELECT id FROM rows ORDER BY k OFFSET 3": "takes some of the rows in no certain order",
    "SELECT id FROM rows ORDER BY k LIMIT 10%": "takes some of the rows in no certain order",
    "SELECT r.id FROM rows r JOIN t USING (sample_id) ORDER BY r.id LIMIT 3": "add ORDER BY …, r.id, t.id",
    "SELECT a.k FROM (SELECT k FROM rows) a ORDER BY a.k LIMIT 3": "select what tells rows apart",
    "SELECT DISTINCT ON (judge) judge FROM rows": "takes the first row of equals",
    "SELECT first(judge) AS j FROM rows GROUP BY sample_id": "calls first() over rows in no certain order",
    "SELECT any_value(judge) AS j FROM rows GROUP BY sample_id": "calls any_value() over rows in no certain order",
    "SELECT list(judge ORDER BY k) AS j FROM rows GROUP BY sample_id": "calls list() over rows in no certain order",
    "SELECT arg_max(judge, k) AS j FROM rows GROUP BY sample_id": "use first(column ORDER BY other DESC)",
    "SELECT id, row_number() OVER (PARTITION BY sample_id ORDER BY k) AS n FROM rows": "calls row_number() over rows in no",
    "SELECT id, max(k) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING) AS n FROM rows": "calls max() over rows in no certain",
    "SELECT text, count(*) AS n FROM rows GROUP BY text": "groups by text, a long text; use md5(text)",
    "SELECT id FROM rows ORDER BY text": "orders by text, a long text",
    "SELECT DISTINCT text FROM rows": "compares text, a long text",
    "SELECT count(DISTINCT text) AS n FROM rows GROUP BY sample_id": "compares text, a long text",
    "SELECT rank() OVER (PARTITION BY text) AS n FROM rows": "makes a window over text, a long text",
    "SELECT r.id FROM rows r JOIN t ON r.text = t.text AND r.sample_id = t.sample_id": "joins on text, a long text",
    "SELECT r.id FROM rows r JOIN t USING (text)": "joins on text, a long text",
    "WITH a AS (SELECT text AS z FROM rows) SELECT z, count(*) AS n FROM a GROUP BY z": "groups by z, a long text",
    "SELECT id FROM rows UNION SELECT id FROM rows": "write UNION ALL",
    "SELECT id, k FROM rows UNION ALL SELECT id FROM rows": "joins 2 columns of one SELECT to 1 of another",
    "SELECT id FROM rows WHERE id IN (SELECT parent_id FROM t)": "SEMI JOIN",
    "SELECT k + 1 FROM rows": "gives a value without a name",
    "SELECT k, x AS K FROM rows": "gives two columns of one name",
    "SELECT k FROM rows ORDER BY 1": "by the place of a column",
    "SELECT k FROM rows GROUP BY ALL": "groups by ALL",
    "SELECT k FROM rows GROUP BY ROLLUP (k)": "or by several sets",
    "SELECT sample_id FROM rows r JOIN t USING (sample_id)": "write of which: table.sample_id",
    "SELECT r.id FROM rows r JOIN rows r USING (sample_id)": "reads two tables as r",
    "SELECT r.id FROM rows r NATURAL JOIN t": "write ON or USING",
    "SELECT r.id FROM rows r POSITIONAL JOIN t": "rows are joined by id",
    "SELECT a.kk FROM (SELECT k FROM rows) a": "reads kk, which the SELECT within does not give. Did you mean 'k'?",
    "SELECT z.q FROM (SELECT k FROM rows) AS z(q)": "renames the columns of a table",
}
MISTYPED = {
    "SELECT id, kk FROM rows": "reads kk of rows, which nothing gives. Did you mean 'k'?",
    "SELECT id, judge > 1 AS n FROM rows": "Cannot compare values of type VARCHAR",
    "SELECT id, INTERVAL 1 DAY AS n FROM rows": "gives INTERVAL",
    "SELECT id, k, count(*) AS n FROM rows GROUP BY id": 'column "k" must appear in the GROUP BY clause',
    "SELECT id, x > 1 AS side FROM rows WHERE side": "gives the name side to a value and reads side, which rows have too",
}


@pytest.mark.parametrize("text", [*ROW, *SAMPLE, *ALL])
def test_a_select_has_types_and_the_scope_that_it_needs(text: str) -> None:
    select = Select(text, frozenset({"t"}))
    assert select.scope == ("row" if text in ROW else "sample" if text in SAMPLE else "all")
    found = select.type(SCHEMAS)
    assert list(found) == list(select.columns) and found["parent_id"] == TEXT
    assert text not in ALL or ALL[text] in select.wide[0]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Select(text, frozenset({"t"}))
    message = str(caught.value)
    assert message.startswith(f"`{text}`") and REFUSED[text] in message and "\n" not in message


@pytest.mark.parametrize("text", MISTYPED)
def test_what_is_refused_when_its_columns_are_known(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Select(text).type(SCHEMAS)
    assert MISTYPED[text] in str(caught.value)


def test_it_says_what_it_reads_of_which_table() -> None:
    select = Select("SELECT r.id AS a, r.difficulty.k AS b, t.k FROM rows r JOIN t USING (sample_id)", frozenset({"t"}))
    assert select.reads == {
        "rows": {("id",), ("difficulty", "k"), ("sample_id",)},
        "t": {("k",), ("sample_id",)},
    }
    assert select.columns == ("a", "b", "k")


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "sample_id": st.sampled_from("abcd"),
            "k": st.none() | st.integers(0, 3),
            "x": st.none() | st.floats(-1e6, 1e6),
            "text": st.none() | st.sampled_from(["one", "two"]),
            "judge": st.none() | st.sampled_from(["yes", "no"]),
            "words": st.none() | st.lists(st.sampled_from("pq"), max_size=2),
        }
    ),
    max_size=14,
)


def _table(rows: Sequence[dict[str, Any]], prefix: str) -> pl.DataFrame:
    cells = [
        {**row, "id": f"{prefix}{n}", "parent_id": row["sample_id"], "difficulty.k": row["k"]}
        for n, row in enumerate(rows)
    ]
    return pl.DataFrame(cells, schema={name: COLUMNS[name] for name in COLUMNS if name not in {"made_by", "side"}})


@settings(max_examples=5, deadline=None)
@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_samples_computed_apart_in_any_order_give_what_they_give_together(
    some: list[dict[str, Any]], others: list[dict[str, Any]], random: Any
) -> None:
    tables = {"rows": _table(some, "r"), "t": _table(others, "t")}
    for text in [*ROW, *SAMPLE]:
        select = Select(text, frozenset({"t"}))
        whole = _content(select.run(tables))
        parts = list[str]()
        for sample in "abcd":
            of_one = {name: table.filter(sample_id=sample) for name, table in tables.items()}
            mixed = {name: table[random.sample(range(table.height), table.height)] for name, table in of_one.items()}
            parts += _content(select.run(mixed))
        assert sorted(parts) == whole, text


def _content(rows: pl.DataFrame) -> list[str]:
    return sorted(map(repr, rows.rows()))


def test_what_it_means_is_what_sql_means() -> None:
    tables = {"rows": _table([{**EMPTY, "sample_id": "a", "k": k} for k in (1, 3, None, 3)], "r")}
    text = BEST + "SELECT r.id, best.m FROM rows r JOIN best USING (sample_id) WHERE r.k = best.m"
    assert sorted(Select(text).run(tables).rows()) == [("r1", 3), ("r3", 3)]
    assert Select("SELECT id FROM rows ORDER BY k DESC NULLS LAST, id LIMIT 1 OFFSET 1").run(tables).rows() == [("r3",)]
    assert Select("SELECT count(*) AS n FROM rows").run(tables).rows() == [(4,)]


EMPTY = {"x": None, "text": None, "judge": None, "words": None}


def test_a_value_that_fails_is_a_sentence_with_the_cure() -> None:
    tables = {"rows": _table([{**EMPTY, "sample_id": "a", "k": 1, "judge": "n/a"}], "r")}
    with pytest.raises(ValueError, match=r"Could not convert string 'n/a' to INT32.*TRY_CAST gives null there"):
        Select("SELECT id, judge::INTEGER AS n FROM rows").run(tables)
