"""What an aggregate may be, and that the same rows give the same value to the last bit."""

import pickle
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.sql.aggregate import Aggregate
from filters.sql.functions import is_aggregate
from filters.sql.ordered import EXACT, ORDERED, SERIAL

FRAME = pl.DataFrame(
    {
        "id": ["3", "1", "2", "4"],
        "parent": ["a", "a", "a", "b"],
        "correct": [True, None, False, None],
        "x": [0.25, 0.5, 1.0, None],
        "s": ["u", "v", "7", "v"],
        "difficulty.k": [1, 2, 3, 4],
    }
)

VALUES: dict[str, tuple[pl.DataType, Any, Any, Any]] = {
    "count(*)": (pl.Int64(), 0, 3, 1),
    "count()": (pl.Int64(), 0, 3, 1),
    "count(*) FILTER (correct)": (pl.Int64(), 0, 1, 0),
    "count(correct)": (pl.Int64(), 0, 2, 0),
    "count(DISTINCT s)": (pl.Int64(), 0, 3, 1),
    "sum(x)": (pl.Float64(), None, 1.75, None),
    "sum(difficulty.k)": (pl.Int64(), None, 6, 4),
    "sum(DISTINCT x)": (pl.Float64(), None, 1.75, None),
    "avg(x) FILTER (correct IS NULL)": (pl.Float64(), None, 0.5, None),
    "count(*) FILTER (correct) / count(*)": (pl.Float64(), None, 1 / 3, 0.0),
    "coalesce(sum(x), 0) > 1": (pl.Boolean(), False, True, False),
    "median(x)": (pl.Float64(), None, 0.5, None),
    "quantile_cont(x, 0.5)": (pl.Float64(), None, 0.5, None),
    "bool_or(correct)": (pl.Boolean(), None, True, None),
    "first(s)": (pl.String(), None, "v", "v"),
    "last(s)": (pl.String(), None, "u", "v"),
    "first(s ORDER BY x DESC)": (pl.String(), None, "7", "v"),
    "list(s)": (pl.List(pl.String()), None, ["v", "7", "u"], ["v"]),
    "list(s)[1]": (pl.String(), None, "v", "v"),
    "list_transform(list(s), lambda y: y || '!')": (pl.List(pl.String()), None, ["v!", "7!", "u!"], ["v!"]),
    "string_agg(s, '-')": (pl.String(), None, "v-7-u", "v"),
    "string_agg(DISTINCT s, '-')": (pl.String(), None, "7-u-v", "v"),
    "mode(s)": (pl.String(), None, "v", "v"),
    # Rows whose values make it fail are left out, or leave it undecided.
    "sum(s::INTEGER)": (pl.Int64(), None, 7, None),
    "count(*) FILTER (s::INTEGER > 1)": (pl.Int64(), 0, 1, 0),
    "max(s)::INTEGER": (pl.Int64(), None, None, None),
}

REFUSED = {
    "": "is empty",
    "1 + 1": "counts nothing",
    "x": "counts nothing",
    "count(*) > x": "reads x of each row; say of which rows, as in max(x)",
    "sum(count(*))": "calls count_star() within sum()",
    "sum(x) OVER ()": "holds a window",
    "(SELECT count(*))": "holds a subquery",
    "count(*) FROM rows": "is more than an expression",
    "random() + count(*)": "calls random()",
    "count(*) FILTER (random() > 0.5)": "calls random()",
    "list(s ORDER BY random())": "calls random()",
    "approx_count_distinct(s)": "use count(DISTINCT column)",
    "reservoir_quantile(x, 0.5)": "is no aggregate of recipes",
    "arg_max(s, x)": "use first(column ORDER BY other DESC)",
    "corr(x, x)": "is no aggregate of recipes",
    "histogram(s)": "is no aggregate of recipes",
    "geomean(x)": "which is exp(avg(ln(x)))",
    "string_agg(repeat(s, 1000000000), '')": "with a size",
}


@pytest.mark.parametrize("text", VALUES)
def test_an_aggregate_has_a_type_a_value_of_nothing_and_one_a_group(text: str) -> None:
    aggregate = Aggregate(text)
    kind, nothing, a, b = VALUES[text]
    assert aggregate.type(FRAME.schema) == kind
    assert aggregate.of_nothing(FRAME.schema) == nothing
    found = aggregate.evaluate(FRAME, by="parent")
    assert found.schema == {"parent": pl.String(), "value": kind}
    assert found.rows() == [("a", a), ("b", b)]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Aggregate(text)
    assert str(caught.value).startswith(f"`{text}`") and REFUSED[text] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max(xx)", "`max(xx)` reads xx, which nothing gives. Did you mean 'x'?"),
        ("sum(s)", "`sum(s)` No function matches the given name and argument types 'sum(VARCHAR)'"),
    ],
)
def test_what_is_refused_when_its_columns_are_known(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Aggregate(text).type(FRAME.schema)
    assert str(caught.value) == message


def test_the_names_are_duckdbs() -> None:
    assert all(map(is_aggregate, EXACT | ORDERED | SERIAL))


@pytest.mark.parametrize("name", [*sorted(SERIAL), "list", "first", "median"])
def test_the_same_rows_give_the_same_bits_in_any_order_and_company(name: str) -> None:
    random = Random(0)
    rows = [(f"{n:04}", "a", random.lognormvariate(0, 1)) for n in range(3000)]
    others = [(f"{n:04}x", f"b{n % 7}", random.lognormvariate(0, 9)) for n in range(9000)]
    aggregate = Aggregate(f"{name}(x)")

    def value(frame: list[tuple[str, str, float]]) -> Any:
        table = pl.DataFrame(frame, schema=["id", "parent", "x"], orient="row")
        return aggregate.evaluate(table, by="parent").filter(parent="a")["value"].to_list()

    alone = value(rows)
    for mixed in (rows[::-1], random.sample(rows + others, len(rows + others))):
        assert value(mixed) == alone


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(-9, 9), st.none() | st.booleans()), max_size=40)
)
def test_counts_and_sums_are_those_of_python(rows: list[tuple[str, int | None, bool | None]]) -> None:
    frame = pl.DataFrame(
        [(str(n), *row) for n, row in enumerate(rows)],
        schema={"id": pl.String, "parent": pl.String, "k": pl.Int64, "correct": pl.Boolean},
        orient="row",
    )
    groups: dict[str, list[tuple[int | None, bool | None]]] = {}
    for parent, k, correct in rows:
        groups.setdefault(parent, []).append((k, correct))
    expected = {
        "count(*)": len,
        "count(*) FILTER (correct)": lambda group: sum(correct is True for _, correct in group),
        "sum(k)": lambda group: sum(ks) if (ks := [k for k, _ in group if k is not None]) else None,
        "max(k) FILTER (NOT correct)": lambda group: max(
            (k for k, correct in group if k is not None and correct is False), default=None
        ),
    }
    for text, count in expected.items():
        found = dict(Aggregate(text).evaluate(frame, by="parent").iter_rows())
        assert found == {parent: count(group) for parent, group in sorted(groups.items())}, text


def test_a_sum_adds_in_order_of_id() -> None:
    values = [1e16, 1.0, -1e16, 3.0]
    frame = pl.DataFrame({"id": ["d", "b", "c", "a"], "parent": ["p"] * 4, "x": values})
    added = 0.0
    for _, value in sorted(zip(frame["id"], values, strict=True)):
        added += value
    assert added != sum(values)
    assert Aggregate("sum(x)").evaluate(frame, by="parent")["value"].to_list() == [added]


def test_it_travels_to_workers() -> None:
    assert pickle.loads(pickle.dumps(Aggregate("count(*)"))) == Aggregate("count(*)")
