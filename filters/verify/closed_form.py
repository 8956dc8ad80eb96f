"""The value of a formula, in bounded numbers: no `eval`, no sympy. Settles most pairs in microseconds.

Rationals are exact, anything else is in double precision. What grows beyond the bounds has no value here, and the symbolic
engine is asked instead.
"""

import cmath
from collections.abc import Callable, Mapping
from fractions import Fraction

from filters.verify.formula_tree import Tree

Value = Fraction | float | complex

_MAX_BITS = 4096
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "\\sin": cmath.sin,
    "\\cos": cmath.cos,
    "\\tan": cmath.tan,
    "\\ln": cmath.log,
    "\\exp": cmath.exp,
}


def evaluate(tree: Tree, values: Mapping[str, complex]) -> Value | None:
    """The value, exact where it can be; None outside the bounds (overflow, division by zero, no such variable)."""
    try:
        value = _value(tree, values)
        if isinstance(value, complex):
            if cmath.isnan(value) or cmath.isinf(value):
                return None
            return value.real if abs(value.imag) <= 1e-13 * abs(value.real) else value
        return value
    except (ZeroDivisionError, OverflowError, ValueError, KeyError):
        return None


def _value(tree: Tree, values: Mapping[str, complex]) -> Value:  # noqa: PLR0911
    head = tree[0]
    if head == "number":
        return Fraction(str(tree[1]))
    if head == "name":
        return values[str(tree[1])]
    if head == "constant":
        return cmath.pi if tree[1] == "pi" else cmath.e
    if head == "call":
        return _FUNCTIONS[str(tree[1])](complex(_value(tree[2], values)))  # type: ignore[arg-type]
    first = _value(tree[1], values)  # type: ignore[arg-type]
    if head == "neg":
        return -first
    if head == "percent":
        return first / 100
    return _binary(str(head), first, _value(tree[2], values))  # type: ignore[arg-type]


def _binary(head: str, first: Value, second: Value) -> Value:
    exact = isinstance(first, Fraction) and isinstance(second, Fraction)
    if head == "^":
        return _power(first, second)
    if head == "root":
        return _root(first, second)
    if not exact:
        first, second = _inexact(first), _inexact(second)
    if head == "+":
        return _bounded(first + second)
    if head == "-":
        return _bounded(first - second)
    return _bounded(first * second if head == "*" else first / second)


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) <= _MAX_BITS and size * abs(exponent) <= _MAX_BITS:
            return Fraction(base ** int(exponent))
    return complex(_inexact(base) ** _inexact(exponent))


def _root(body: Value, degree: Value) -> Value:
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 2 <= degree <= 20:
        raise ValueError("not a plain root")
    value = _inexact(body)
    if degree == 2:
        return cmath.sqrt(value)
    if isinstance(value, float) and value >= 0:
        return float(value ** (1 / int(degree)))
    raise ValueError("which of its roots is meant is for the symbolic engine to say")


def _inexact(value: Value) -> float | complex:
    return float(value) if isinstance(value, Fraction) else value


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
        return float(value)
    return value
