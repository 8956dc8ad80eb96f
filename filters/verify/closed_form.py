"""The value of a formula, in bounded numbers: no `eval`, no sympy. Settles most pairs in microseconds.

Rationals are exact, anything else is in double precision. What grows beyond the bounds has no value here, and the symbolic
engine is asked instead.
"""

import cmath
import math
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction

from filters.verify.formula_tree import Tree

Value = Fraction | float | complex

_MAX_BITS = 4096
_MAX_FACTORIAL = 450
"""450! has 3,300 bits."""
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "\\sin": cmath.sin,
    "\\cos": cmath.cos,
    "\\tan": cmath.tan,
    "\\sec": lambda x: 1 / cmath.cos(x),
    "\\csc": lambda x: 1 / cmath.sin(x),
    "\\cot": lambda x: 1 / cmath.tan(x),
    "\\sinh": cmath.sinh,
    "\\cosh": cmath.cosh,
    "\\tanh": cmath.tanh,
    "\\arcsin": cmath.asin,
    "\\arccos": cmath.acos,
    "\\arctan": cmath.atan,
    "\\ln": cmath.log,
    "\\lg": cmath.log10,
    "\\exp": cmath.exp,
}
_CONSTANTS: dict[str, Value] = {"pi": cmath.pi, "e": cmath.e, "i": 1j}


def applied(tree: Tree) -> frozenset[str]:
    """The names of functions: `f` of `f(x + 1)`."""
    own = frozenset({str(tree[1])}) if tree[0] == "apply" else frozenset()
    return own.union(*(applied(part) for part in tree[1:] if isinstance(part, tuple)))


def variables(tree: Tree) -> frozenset[str]:
    """The names that need a value."""
    if tree[0] == "name":
        return frozenset({str(tree[1])})
    return frozenset(name for part in tree[1:] if isinstance(part, tuple) for name in variables(part))


def has_decimal(tree: Tree) -> bool:
    """Whether the whole formula is one number written with decimals: such a number may have been rounded."""
    while tree[0] in ("neg", "percent"):
        tree = tree[1]  # type: ignore[assignment]
    return tree[0] == "number" and bool(tree[2])


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
        return _CONSTANTS[str(tree[1])]
    if head in ("call", "apply"):
        argument = _value(tree[2], values)  # type: ignore[arg-type]
        return _called(str(tree[1]), argument) if head == "call" else _applied(str(tree[1]), argument, values)
    first = _value(tree[1], values)  # type: ignore[arg-type]
    if head == "factorial":
        return _factorial(first)
    if head == "neg":
        return -first
    if head == "percent":
        return first / 100
    return _binary(str(head), first, _value(tree[2], values))  # type: ignore[arg-type]


def _called(name: str, argument: Value) -> Value:
    if name == "|":
        return abs(argument) if isinstance(argument, Fraction) else float(abs(argument))
    if name in ("\\lfloor", "\\lceil"):
        if isinstance(argument, complex):
            raise ValueError("no order among complex numbers")
        near = round(argument)
        if isinstance(argument, float) and abs(argument - near) < 1e-9:  # either side, but for what rounding took away
            return Fraction(near)
        return Fraction(math.floor(argument) if name == "\\lfloor" else math.ceil(argument))
    return _FUNCTIONS[name](complex(argument))


def _applied(name: str, argument: Value, values: Mapping[str, complex]) -> Value:
    """`f(x)` as a product where `f` has a value, else as a function of its own: the same one for the same name."""
    if name in values:
        return complex(values[name] * _inexact(argument))
    shape = zlib.crc32(name.encode())
    return cmath.sin((1 + shape % 97 / 97) * _inexact(argument) + shape % 89 / 89)


def _factorial(value: Value) -> Value:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise ValueError("no factorial that is small enough")
    return Fraction(math.factorial(int(value)))


def _binomial(above: Value, below: Value) -> Value:
    if not isinstance(above, Fraction) or not isinstance(below, Fraction):
        raise ValueError("a binomial of variables")
    if not 0 <= above <= _MAX_BITS // 4 or above.denominator != 1 or below.denominator != 1:
        raise ValueError("no binomial that is small enough")
    return Fraction(math.comb(int(above), int(below)) if below >= 0 else 0)


def _binary(head: str, first: Value, second: Value) -> Value:
    exact = isinstance(first, Fraction) and isinstance(second, Fraction)
    if head == "^":
        return _power(first, second)
    if head == "binomial":
        return _binomial(first, second)
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
