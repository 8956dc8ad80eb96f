"""Exact shares: a window on pass rates that compares whole numbers.

In floating point 0.8 - 0.6 > 0.2 holds while 0.4 - 0.2 > 0.2 does not. So `0.1` in a recipe is the fraction 1/10, as it
is written, and k of n is compared with it as `10 k >= n`.
"""

from fractions import Fraction
from typing import Annotated, Any

import polars as pl
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


def _exact(value: Any) -> Fraction:
    try:
        share = Fraction(str(value).replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise ValueError("a share is written 0.1 or 1/10") from None
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    return share


Share = Annotated[
    Fraction,
    PlainValidator(_exact),
    PlainSerializer(str),
    WithJsonSchema({"type": ["number", "string"], "examples": [0.1, "1/10"]}),
]
"""A share between 0 and 1, written `0.1` or `1/10`, kept exact."""


def at_least(k: pl.Expr, n: pl.Expr, share: Fraction) -> pl.Expr:
    """k / n >= share, in whole numbers."""
    return k.cast(pl.Int64) * share.denominator >= n.cast(pl.Int64) * share.numerator


def above(k: pl.Expr, n: pl.Expr, share: Fraction) -> pl.Expr:
    """k / n > share, in whole numbers."""
    return k.cast(pl.Int64) * share.denominator > n.cast(pl.Int64) * share.numerator
