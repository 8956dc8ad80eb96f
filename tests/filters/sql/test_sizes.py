"""Functions that make much of little: bounded, or refused."""

import re

import pytest

from filters.sql.expression import Expression


@pytest.mark.parametrize(
    "text",
    [
        "repeat('a', 1000)",
        "range(0, len(l) + 1)",
        "lpad(s, 8, '0')",
        "lpad(s, NULL, '0')",
        "list_resize(l, 5)",
        "printf('%05d %s', k, s)",
        "format('{:>8}', s)",
        "list_aggregate(l, 'sum')",
        "age(d, d)",
    ],
)
def test_bounded_sizes_and_plain_formats_are_let_through(text: str) -> None:
    assert Expression(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "repeat('a', 1001)",
        "repeat('a', 10 * 101)",
        "repeat('a', 99999999999999999999)",
        "range(1e6::INTEGER)",
        "range(0, k)",
        "lpad(repeat('a', 100), 100, '0')",
        "repeat(s, 2)",
        "array_resize(l, 100000)",
        "format(s, k)",
        "format('{:{}}', s, 1000000000)",
        "printf('%99999d', k)",
        "repeat()",
        "[range(5) for x in l]",
        "reduce(l, lambda a, b: a || b)",
    ],
)
def test_sizes_without_bound_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Expression(text)
