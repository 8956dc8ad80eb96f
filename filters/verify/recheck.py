r"""A positive of the symbolic engine, looked at again: it passes over marks, and takes `1/2004!` and `1/2006!` for 0.

Found in huggingface/Math-Verify 0.9.0 (issue 14 there): the index of a number, primes, bars and names of figures are left
out when a formula is read, and differences are compared with zero at a fixed number of digits.
"""

import re
from collections import Counter
from typing import Any

from schemas.ids import seeded

_MARKS = re.compile(
    r"\\(?:triangle|angle|overline|bar|hat|tilde|widehat|widetilde|dot|ddot|pmod|bmod|ldots)(?![a-zA-Z])"
    r"|'|!!|(?<=\d)\s*_\s*(?:\{[^{}]*\}|\w)"
)
_DELIMITED = re.compile(r"\$|\\[(\[]")
"""Formulas among words: the marks of others than the one that the engine reads are not to be counted."""
_DECIMAL = re.compile(r"\d\.\d|\.\d")
_PLACES = 3
_DIGITS = 30
_CLOSE = 1e-12
_ROUNDED = 1e-5


def contradiction(text: str, gold: str, mine: Any, theirs: Any) -> str | None:
    """Why two formulas are not the same although the engine says so; None where nothing speaks against it.

    `mine` and `theirs` are the engine's readings, sympy objects.
    """
    if not (_DELIMITED.search(text) or _DELIMITED.search(gold)) and _marks(text) != _marks(gold):
        return "marks differ that the symbolic engine does not read"
    return _unequal(mine, theirs, bool(_DECIMAL.search(text) or _DECIMAL.search(gold)))


def _marks(text: str) -> Counter[str]:
    return Counter(re.sub(r"[\s{}]", "", mark) for mark in _MARKS.findall(text))


def _unequal(mine: Any, theirs: Any, rounded: bool) -> str | None:
    import sympy  # type: ignore[import-untyped]

    if _is_relation(mine) != _is_relation(theirs) and isinstance(theirs, sympy.Eq):
        return "the gold is an equation"
    if isinstance(mine, sympy.Tuple) and isinstance(theirs, sympy.Tuple) and len(mine) == len(theirs):
        return next((why for a, b in zip(mine, theirs, strict=True) if (why := _unequal(a, b, rounded))), None)
    if not (isinstance(mine, sympy.Expr) and isinstance(theirs, sympy.Expr)) or _is_matrix(mine) or _is_matrix(theirs):
        return None
    return _far(mine, theirs, _ROUNDED if rounded else _CLOSE)


def _far(mine: Any, theirs: Any, close: float) -> str | None:
    """Whether values at random places are apart by more than a share of their size."""
    import sympy

    names = sorted({str(s) for s in mine.free_symbols | theirs.free_symbols})
    chance = seeded("recheck", " ".join(names))
    for _ in range(_PLACES if names else 1):
        place = {name: sympy.Float(chance.uniform(0.3, 2.7), _DIGITS) for name in names}
        values = []
        for formula in (mine, theirs):
            there = formula.xreplace({s: place[str(s)] for s in formula.free_symbols})
            value = there.doit().evalf(_DIGITS) if there.free_symbols == set() else None
            if value is None or not value.is_number or not value.is_finite:
                return None
            values.append(value)
        gap, size = abs(values[0] - values[1]), max(abs(values[0]), abs(values[1]))
        if size != 0 and gap / size > close:
            return "the values differ at " + (", ".join(f"{k} = {v:.3g}" for k, v in place.items()) or "high precision")
    return None


def _is_relation(formula: Any) -> bool:
    from sympy.core.relational import Relational  # type: ignore[import-untyped]

    return isinstance(formula, Relational)


def _is_matrix(formula: Any) -> bool:
    from sympy.matrices import MatrixBase  # type: ignore[import-untyped]
    from sympy.matrices.expressions.matexpr import MatrixExpr  # type: ignore[import-untyped]

    return isinstance(formula, MatrixBase | MatrixExpr)
