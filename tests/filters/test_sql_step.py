"""The step `sql`: columns of rows by expressions, new rows by a SELECT."""

import polars as pl
import pytest
from pydantic import ValidationError

from filters.sql_step import STEP, SqlConfig
from schemas.errors import StepError
from schemas.ids import content_id
from schemas.step import Read, Tables

BASE = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "made_by": pl.String}
TYPES = {"k": pl.Int64(), "text": pl.String(), "words": pl.List(pl.String()), "difficulty.k": pl.Int64()}
CELLS = [
    ("1", "a", "a", "m", 3, "x", ["p", "q"], 1),
    ("2", "a", "a", "m", None, "y", [], 2),
    ("3", "b", "b", "m", 5, None, None, None),
]
ROWS = pl.DataFrame(CELLS, schema={**BASE, **TYPES}, orient="row")


def run(context, section, rows=ROWS, **beside):
    config = SqlConfig.model_validate(section)
    return STEP.body(Tables(rows, beside, pl.DataFrame()), config, context("glue")).rows


def test_expressions_give_columns_of_their_rows(context) -> None:
    out = run(context, {"gives": {"more": "k + difficulty.k", "side": "CASE WHEN k > 3 THEN 'rl' ELSE 'sft' END"}})
    assert out.rows() == [("1", 4, "sft"), ("2", None, "sft"), ("3", None, "rl")]


def test_windows_look_at_the_rows_of_a_sample(context) -> None:
    section = {"gives": {"n": "count(*) OVER (PARTITION BY sample_id)", "twice": "k * 2"}}
    assert run(context, section).rows() == [("1", 2, 6), ("2", 2, None), ("3", 1, 10)]
    assert STEP.scope(SqlConfig.model_validate(section)) == "sample"


def test_a_select_makes_rows_with_ids_of_what_they_are(context) -> None:
    section = {"makes": "word", "select": "SELECT id AS parent_id, unnest(words) AS word FROM rows"}
    out = run(context, section)
    assert set(out.iter_rows()) == {
        ("1", word, content_id({"step": "glue", "of": "1", "row": f'{{"word":"{word}"}}'})) for word in "pq"
    }
    assert out["id"].is_sorted() and STEP.scope(SqlConfig.model_validate(section)) == "row"
    assert run(context, section, ROWS.reverse()).equals(out)
    assert run(context, section, ROWS.clear()).schema == out.schema


def test_a_select_reads_rows_beside(context) -> None:
    select = (
        "SELECT r.id AS parent_id, first(r.text ORDER BY c.id) AS shown, string_agg(c.note, ', ' ORDER BY c.id) AS notes "
        "FROM rows r JOIN c ON c.sample_id = r.sample_id AND c.parent_id = r.id GROUP BY r.sample_id, r.id"
    )
    notes = pl.DataFrame(
        [("n2", "a", "1", "w", "late"), ("n1", "a", "1", "w", "early"), ("n3", "b", "3", "w", "alone")],
        schema={**BASE, "note": pl.String},
        orient="row",
    )
    section = {"of": "trace", "makes": "summary", "select": select, "with": {"c": "critique"}}
    out = run(context, section, c=notes)
    assert sorted(out.select("parent_id", "shown", "notes").iter_rows()) == [
        ("1", "x", "early, late"),
        ("3", None, "alone"),
    ]


def test_the_same_row_twice_is_an_error_with_the_cure(context) -> None:
    section = {"makes": "word", "select": "SELECT id AS parent_id, k FROM rows UNION ALL SELECT id, k FROM rows"}
    with pytest.raises(StepError, match=r"Step 'glue': it makes 6 rows .* such as of 1; add a column"):
        run(context, section)


def test_a_row_without_a_parent_is_an_error_with_the_cure(context) -> None:
    section = {"makes": "word", "select": "SELECT text AS parent_id, k FROM rows"}
    with pytest.raises(StepError, match="Step 'glue': 1 of the rows that it makes have no parent_id"):
        run(context, section)


def test_a_select_that_fails_names_the_step(context) -> None:
    section = {"makes": "word", "select": "SELECT id AS parent_id, text::INTEGER AS n FROM rows"}
    with pytest.raises(StepError, match=r"Step 'glue': .*Could not convert string 'x'.*TRY_CAST"):
        run(context, section)


def test_reads_and_gives_are_those_of_the_sql(known) -> None:
    there = known({"trace": TYPES, "critique": {"note": pl.String()}})
    config = SqlConfig.model_validate({"of": "trace", "gives": {"more": "k + difficulty.k", "k": "k + 1"}})
    assert STEP.reads(config, there).rows == {
        "k": Read(("k",), text=True),
        "difficulty.k": Read(("difficulty", "k"), text=True),
    }
    found = STEP.gives(config, there)
    assert (found.columns, found.replaces) == ({"more": pl.Int64(), "k": pl.Int64()}, {"more", "k"})
    config = SqlConfig.model_validate(
        {
            "of": "trace",
            "makes": "summary",
            "with": {"c": "critique"},
            "select": "SELECT r.id AS parent_id, r.k, c.note FROM rows r JOIN c USING (sample_id)",
        }
    )
    reads = STEP.reads(config, there)
    assert reads.rows == {"k": Read(("k",), text=True)}
    assert (reads.beside["c"].of, reads.beside["c"].reads) == ("critique", {"note": Read(("note",), text=True)})
    found = STEP.gives(config, there)
    assert (found.columns, found.makes) == ({"k": pl.Int64(), "note": pl.String()}, "summary")


SELECT = "SELECT id AS parent_id, k FROM rows"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "write `gives`, or `makes` and `select`"),
        ({"makes": "word"}, "write `gives`, or `makes` and `select`"),
        ({"select": SELECT}, "write `gives`, or `makes` and `select`"),
        ({"gives": {"a": "k"}, "makes": "word", "select": SELECT}, "write `gives`, or `makes` and `select`"),
        ({"gives": {"a": "k"}, "with": {"t": "trace"}}, "`with` names tables of `select`"),
        ({"gives": {"a": "k"}, "scope": "all"}, "scope all is not needed"),
        ({"gives": {"a": "k +"}}, "`k +` cannot be parsed"),
        ({"gives": {"a": "random()"}}, "calls random()"),
        ({"gives": {"a": "count(*)"}}, "counts over rows"),
        ({"gives": {"a": "count(*) OVER (PARTITION BY sample_id) + max(k)"}}, "calls max() over no window"),
        ({"gives": {"a": "rank() OVER (ORDER BY k)"}}, "add PARTITION BY sample_id, or say `scope: all`"),
        ({"gives": {"a b": "k"}}, "String should match pattern"),
        ({"makes": "word", "select": SELECT, "with": {"rows": "trace"}}, "`with` cannot name rows"),
        ({"makes": "word", "select": SELECT, "with": {"t": "trace"}}, "does not read t, which `with` names"),
        ({"makes": "word", "select": "SELECT k FROM rows"}, "add `id AS parent_id`"),
        (
            {"makes": "word", "select": "SELECT id, id AS parent_id FROM rows"},
            "gives id, which each row gets by itself",
        ),
        (
            {"makes": "word", "select": "SELECT judge AS parent_id, count(*) AS n FROM rows GROUP BY judge"},
            "group by sample_id too, or say `scope: all`",
        ),
        (
            {"makes": "word", "scope": "row", "select": "SELECT DISTINCT sample_id AS parent_id FROM rows"},
            "which scope row does not hold",
        ),
    ],
)
def test_a_bad_section_is_one_sentence(section, message) -> None:
    with pytest.raises(ValidationError) as caught:
        SqlConfig.model_validate(section)
    assert message in str(caught.value)


def test_a_wide_select_runs_where_it_says_so(context) -> None:
    section = {"makes": "best", "scope": "all", "select": "SELECT id AS parent_id, k FROM rows ORDER BY k, id LIMIT 1"}
    assert run(context, section).select("parent_id", "k").rows() == [("1", 3)]
    assert STEP.scope(SqlConfig.model_validate(section)) == "all"
