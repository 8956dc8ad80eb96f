"""What a condition may be, the sentence for what it may not, and that it means what SQL means."""

import pickle
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filters.sql.expression import Condition, ConditionText, Expression

TYPES: dict[str, pl.DataType] = {
    "k": pl.Int64(),
    "difficulty.k": pl.Int64(),
    "share": pl.Float64(),
    "judge": pl.String(),
    "correct": pl.Boolean(),
    "words": pl.List(pl.String()),
    "verifier": pl.Struct({"id": pl.String()}),
}

CONDITIONS = {
    "k > 0": {"k"},
    "correct": {"correct"},
    "true": set(),
    "k = 0 AND difficulty.k > 0": {"k", "difficulty.k"},
    "NOT correct AND judge = 'DIFFERENT'": {"correct", "judge"},
    "list_has_any(words, ['proof'])": {"words"},
    "list_contains(list_filter(words, lambda k: k <> judge), 'a')": {"words", "judge"},
    "len([k for k in words if k = judge]) > 0": {"words", "judge"},
    "(judge -> '$.a') IS NULL": {"judge"},
    "(verifier).id IN ('choice', 'number')": {"verifier"},
    "judge LIKE '%a%' AND regexp_matches(judge, 'b+')": {"judge"},
    "CASE WHEN k > 1 THEN share < 0.5 END": {"k", "share"},
    "TRY_CAST(judge AS INTEGER) BETWEEN 1 AND 3": {"judge"},
    "split_part(judge, ',', 1) = 'x'": {"judge"},
    "len(range(len(words))) > 1": {"words"},
    "format('{}-{:.2f}', judge, share) = 'x'": {"judge", "share"},
    "date_diff('day', DATE '2020-01-01', DATE '2020-02-01') > k": {"k"},
    "k > 0 -- why": {"k"},
}

REFUSED = {
    "": "is empty",
    "k > 0 AN share": 'cannot be parsed: syntax error at or near "share"',
    "k > 0 /*": "unterminated",
    "k > 1; SELECT 2": "holds 2 statements",
    "k > 1; DROP TABLE rows": "holds 2 statements; write one",
    "k, share": "holds 2 expressions",
    "k AS y": "gives its value the name 'y'",
    "k FROM rows": "is more than an expression",
    "k > 1 LIMIT 1": "is more than an expression",
    "DISTINCT k": "is more than an expression",
    "k UNION SELECT 1": "is more than an expression",
    "(SELECT 1) > 0": "holds a subquery",
    "k = ANY([1, 2])": "use list_contains",
    "row_number() OVER () > 1": "holds a window",
    "sum(k) > 1": "counts over rows",
    "* > 1": "names columns by a pattern",
    "COLUMNS('k') > 1": "names columns by a pattern",
    "#1 > 1": "names a column by its place",
    "? > 1": "holds a parameter",
    "random() > 0.5": "calls random(), which may give another value",
    "system.main.RANDOM() > 0.5": "calls random(), which may give another value",
    "now() > DATE '2020-01-01'": "calls now()",
    "uuid() = 'x'": "calls uuid()",
    "nextval('s') > 1": "calls nextval()",
    "setseed(0.5) IS NULL": "calls setseed()",
    "current_date > DATE '2020-01-01'": "reads current_date, which is the clock",
    "current_localtime() IS NULL": "calls current_localtime()",
    "age(DATE '2020-01-01') IS NULL": "calls age()",
    "ago(INTERVAL 1 DAY) IS NULL": "calls ago(), which reads current_timestamp",
    "pg_postmaster_start_time() IS NULL": "reads more than the rows",
    "current_setting('threads') = '1'": "reads more than the rows",
    "getenv('HOME') = 'x'": "reads more than the rows",
    "version() = 'x'": "reads more than the rows",
    "read_text('/etc/passwd') = 'x'": "reads more than the rows",
    "glob('/etc/*') = 'x'": "reads more than the rows",
    "query('SELECT 1') = 1": "reads more than the rows",
    "json_execute_serialized_sql('x') = 1": "reads more than the rows",
    "sleep_ms(1000) IS NULL": "calls sleep_ms()",
    "hash(judge) > 1": "use md5",
    "unnest(words) = 'x'": "makes several rows of one",
    "geomean(k) > 1": "which is exp(avg(ln(x)))",
    "list_aggregate(words, judge) = 'x'": "an aggregate that is exact",
    "list_approx_count_distinct(words) > 1": "an aggregate that is exact",
    "lenght(judge) > 1": "Did you mean 'length'?",
    "words.list_filter(lambda x: x > 'a') = []": "write list_filter(words, …)",
    "repeat('a', 1000000000) = 'x'": "with a size that is not a number up to 1,000",
    "repeat('a', k) = 'x'": "with a size that is not a number up to 1,000",
    "lpad(lpad('a', 1000), 1000) = 'x'": "whose sizes multiply",
    "repeat(judge, 3) = 'x'": "something other than a text of up to 100 characters",
    "len(list_transform(range(1000), lambda i: range(1000))) > 1": "for each item of a list, whose sizes multiply",
    "len(range(1000000000000)) > 1": "with a size",
    "lpad(judge, 2000000000, 'y') = 'x'": "with a size",
    "list_resize(words, 1e12) = words": "with a size",
    "format('{:>1000000000}', judge) = 'x'": "calls format()",
    "printf('%*d', 1000000000, 1) = 'x'": "calls printf()",
    "list_reduce(words, lambda a, b: a || a) = 'x'": "may double with each item",
    "NOT " * 900 + "correct": "is nested too deeply",
    "+".join(["k"] * 2000): "depth limit",
    "k > 0" + " OR k > 0" * 2000: "10,000 are the most",
}

MISTYPED = {
    "difficulty.kk > 1": "`difficulty.kk > 1` reads difficulty.kk, which nothing gives. Did you mean 'difficulty.k'?",
    "Correct": "`Correct` reads Correct, which nothing gives. Did you mean 'correct'?",
    "verifier.id = 'x'": "`verifier.id = 'x'` reads verifier.id, which nothing gives. A field of verifier is (verifier).id.",
    "k": "`k` is no condition: it gives Int64; compare it with something",
    "NULL": "`NULL` is no condition: it gives Int64; compare it with something",
    "judge > 1": "`judge > 1` Cannot compare values of type VARCHAR and type INTEGER_LITERAL - an explicit cast is required",
    "'k' > 1": "`'k' > 1` Could not convert string 'k' to INT32",
    "k > 'k'": "`k > 'k'` Could not convert string 'k' to INT64",
    "judge = 'x' OR 'abc'::INTEGER > k": "`judge = 'x' OR 'abc'::INTEGER > k` Could not convert string 'abc' to INT32",
    "regexp_matches(judge, '(')": "`regexp_matches(judge, '(')` missing ): (",
    "k::foo": "`k::foo` Type with name foo does not exist",
    "INTERVAL 1 DAY": "`INTERVAL 1 DAY` gives INTERVAL, which tables do not hold; cast it to a text or a number",
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_names_its_columns_and_is_boolean(text: str) -> None:
    condition = Condition(text)
    assert {".".join(reference) for reference in condition.references} == CONDITIONS[text]
    assert condition.type(TYPES) == pl.Boolean()
    for rows in (0, 2):
        assert condition.evaluate(pl.DataFrame(schema=TYPES).clear(rows)).dtype == pl.Boolean()


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Condition(text)
    message = str(caught.value)
    assert message.startswith(f"`{text[:200]}") and REFUSED[text] in message and "\n" not in message


@pytest.mark.parametrize("text", MISTYPED)
def test_what_is_refused_when_its_columns_are_known(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Condition(text).type(TYPES)
    assert str(caught.value) == MISTYPED[text]


def test_a_section_with_a_typo_says_so() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(ConditionText)
    assert adapter.validate_python("k > 0") == "k > 0"
    with pytest.raises(ValidationError, match="`k > 0 AN x` cannot be parsed"):
        adapter.validate_python("k > 0 AN x")


NUMBERS = {
    "k + 1": pl.Int64(),
    "1": pl.Int64(),
    "0.5 * k": pl.Float64(),
    "k / 2": pl.Float64(),
    "k::FLOAT": pl.Float64(),
    "list_sum([k])": pl.Int64(),
    "judge": pl.String(),
    "words": pl.List(pl.String()),
}


@pytest.mark.parametrize(("text", "kind"), NUMBERS.items())
def test_numbers_have_the_types_of_tables(text: str, kind: pl.DataType) -> None:
    expression = Expression(text)
    assert expression.type(TYPES) == kind
    assert expression.evaluate(pl.DataFrame(schema=TYPES).clear(3)).dtype == kind


def test_a_bare_column_keeps_its_type() -> None:
    frame = pl.DataFrame({"side": pl.Series(["a", None], dtype=pl.Enum(["a"]))})
    assert Expression("side").evaluate(frame).to_list() == ["a", None]
    assert Expression("side").type(frame.schema) == pl.Enum(["a"])


def test_a_row_that_fails_is_undecided() -> None:
    frame = pl.DataFrame({"judge": ["3", "n/a", None, "1"]})
    assert Condition("judge::INTEGER > 2").evaluate(frame).to_list() == [True, None, None, False]


def test_a_division_by_zero_is_undecided() -> None:
    frame = pl.DataFrame({"k": [0, 1, 1], "n": [0, 0, 2]})
    assert Condition("k / n >= 0.5").evaluate(frame).to_list() == [None, None, True]
    assert Condition("k % n = 1").evaluate(frame).to_list() == [None, None, True]


def test_no_column_still_has_a_value_a_row() -> None:
    assert Condition("true").evaluate(pl.DataFrame({"k": [1, 2, 3]})).to_list() == [True] * 3


def test_equal_texts_are_equal_and_travel_to_workers() -> None:
    assert Condition("k > 0") == Condition(" k > 0 ") != Expression("k > 0")
    assert pickle.loads(pickle.dumps(Condition("k > 0"))) == Condition("k > 0")


def test_names_that_sql_confuses_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in capitals only"):
        Condition("k > K").type({"k": pl.Int64(), "K": pl.Int64()})


def test_a_column_named_like_a_keyword_or_a_function_is_a_column() -> None:
    frame = pl.DataFrame({"user": ["a"], "order.k": [1], "rowid": [7], "rows": [2]})
    text = '"user" = \'a\' AND "order".k = 1 AND rowid = 7 AND "rows" = 2'
    assert Condition(text).evaluate(frame).to_list() == [True]


VALUES = st.fixed_dictionaries(
    {
        "k": st.none() | st.integers(-5, 5),
        "difficulty.k": st.none() | st.integers(-5, 5),
        "share": st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
        "judge": st.none() | st.sampled_from(["yes", "no", "", "é'\"\n"]),
        "correct": st.none() | st.booleans(),
    }
)


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _reference(row: dict[str, Any]) -> dict[str, bool | None]:
    """What the conditions mean, in Python, where null is neither true nor false."""
    k, other, share, judge = row["k"], row["difficulty.k"], row["share"], row["judge"]
    more = None if k is None or other is None else k > other
    no = None if judge is None else judge == "no"
    return {
        "k > difficulty.k": more,
        "NOT correct AND judge = 'no'": _and(_not(row["correct"]), no),
        "k > difficulty.k OR judge = 'no'": _not(_and(_not(more), _not(no))),
        "k IS NULL": k is None,
        "coalesce(share, -1) > 0.5": (-1.0 if share is None else share) > 0.5,
        "judge IN ('yes', 'no')": None if judge is None else judge in {"yes", "no"},
        "judge IS DISTINCT FROM 'no'": judge != "no",
        "CASE WHEN correct THEN k > 0 ELSE false END": (None if k is None else k > 0) if row["correct"] else False,
    }


@given(st.lists(VALUES, max_size=40))
def test_a_condition_means_what_it_says_on_any_rows_in_their_order(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(
        rows, schema={name: TYPES[name] for name in ("k", "difficulty.k", "share", "judge", "correct")}
    )
    for text in _reference(dict.fromkeys(frame.columns)):
        expected = [_reference(row)[text] for row in rows]
        assert Condition(text).evaluate(frame).to_list() == expected, text


def test_a_large_table_keeps_its_order() -> None:
    frame = pl.DataFrame({"k": range(300_000)})
    assert Expression("k * 2").evaluate(frame).equals(pl.Series("value", range(0, 600_000, 2)))


def test_a_whole_number_of_more_than_64_bits_is_null_in_its_row() -> None:
    frame = pl.DataFrame({"x": [1, 4]})
    assert Expression("x::HUGEINT * 9223372036854775807").evaluate(frame).to_list() == [9223372036854775807, None]
