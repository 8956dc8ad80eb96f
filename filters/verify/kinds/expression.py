"""Formulas: equal spelling, equal numbers, equal values at random places, and only then the symbolic engine."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from filters.verify import symbolic
from filters.verify.closed_form import Value, evaluate
from filters.verify.digits import Marks
from filters.verify.figures import Numeral
from filters.verify.formula_tree import Tree, has_decimal, parse_closed, variables
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.normalise import unprefixed, words
from filters.verify.numeral import only_numeral, read_numeral
from filters.verify.parts import compare_parts
from filters.verify.plain_math import latexed
from filters.verify.units import convert
from schemas.answer import ExpressionAnswer
from schemas.ids import seeded
from schemas.remembered import remembered

MAX_CHARS = 4000
"""A longer answer is no formula."""
_PLACES = 6
"""Decimals to which a rounded number must agree, as in math-verify (`float_rounding`)."""
_HALF = Fraction(5, 10 ** (_PLACES + 1))
_PROBES = 4
_SPELLING = (
    (re.compile(r"\\(?:left|right|displaystyle|limits|[,;:! ])|\s+"), ""),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"\\(?:text|mathrm|mbox|textrm)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:cdot|times)"), "*"),
    (re.compile(r"\^\{(\w)\}"), r"^\1"),
    (re.compile(r"\\frac(\d)(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt(\d)"), r"\\sqrt{\1}"),
)
_WORD = re.compile(r"^[A-Za-z][A-Za-z' -]*[A-Za-z]$")
_ASSIGNED = re.compile(r"^\\?[A-Za-z](?:_\{?\w+\}?|\([a-z]\))?\s*=\s*([^=]+)$")
_WORKED = re.compile(r"^[\d\s.+*/()^-]+=\s*([^=,]+)$")
_UNITS = frozenset(
    ("cm", "mm", "km", "kg", "mg", "ft", "in", "mi", "yd", "lb", "oz", "hr", "ms", "ml", "mL", "kJ", "kW")
)
"""Units of two letters that are no product of variables, without `\\text{}` too."""
_MATH = re.compile(r"(?<!\\)\$\$?([^$]+)(?<!\\)\$\$?")
_PROSE = re.compile(r"(?<![\\a-zA-Z{])(?!and\b|or\b|where\b|sqrt\b)[a-zA-Z]{3,}(?![a-zA-Z}(])")


class ExpressionParams(Params):
    """Formulas have one metric."""

    metric: Literal["equal"] = "equal"
    max_chars: int = Field(default=MAX_CHARS, ge=1, description="a longer answer span is wrong without being read")


def read_gold(raw: str, options: Sequence[str], params: ExpressionParams) -> ExpressionAnswer:
    """LaTeX or plain arithmetic; a formula that nobody can read is refused."""
    latex = formula(raw)
    if not latex or len(latex) > params.max_chars:
        raise GoldUnparseableError("empty, or too long for a formula")
    easy = read_numeral(latex) or parse_closed(latex) or _WORD.match(latex)
    if not easy and not symbolic.readable(latex):
        raise GoldUnparseableError(f"not a formula that can be read: {raw[:80]!r}")
    return ExpressionAnswer(raw=raw, latex=latex)


def formula(text: str) -> str:
    """The formula of a short text as LaTeX: without lead-in, and the one `$…$` part where there is exactly one."""
    text = unprefixed(text)
    parts = _MATH.findall(text) if "$" in text else []
    return latexed(parts[0].strip() if len(parts) == 1 else text)


def settle(span: str, gold: ExpressionAnswer, options: Sequence[str], params: ExpressionParams) -> Outcome | None:
    """What can be told without the symbolic engine; None when it has to be asked."""
    if len(span) > params.max_chars:
        return wrong(f"{len(span)} characters are no formula")
    text = formula(span)
    if not text:
        return wrong("the answer is empty")
    if _spelling(text) == _spelling(gold.latex):
        return Outcome(1.0, "the same formula", text, "string")
    verdict = _compare(_side(text, gold.latex), _side(gold.latex, text))
    return None if verdict is None else Outcome(float(verdict[0]), verdict[1], text)


def judge(span: str, gold: ExpressionAnswer, options: Sequence[str], params: ExpressionParams) -> Outcome:
    """`settle`, else `math-verify` on the span."""
    settled = settle(span, gold, options, params)
    if settled is not None:
        return settled
    text = formula(span)
    same = symbolic.equal(gold.latex, text)
    if same is None:
        return Outcome(None, "the symbolic engine cannot read the gold", text, "math")
    if same:
        return Outcome(1.0, "symbolically equal", text, "math")
    return Outcome(0.0, "not equal to the gold" if symbolic.readable(text) else "not a formula", text, "math")


@remembered()
def _spelling(text: str) -> str:
    text = text.rstrip(".").strip()
    for pattern, by in _SPELLING:
        text = pattern.sub(by, text)
    return text


def _side(text: str, other: str) -> str:
    """Drops `x =` where the other side has no equation, or the same one; of a response also a sum before its result."""
    match = _ASSIGNED.match(text) or (None if "=" in other else _WORKED.match(text))
    if match is None:
        return text
    twin = _ASSIGNED.match(other)
    same = twin is not None and text.split("=", maxsplit=1)[0].strip() == other.split("=", maxsplit=1)[0].strip()
    return match.group(1).strip() if same or "=" not in other else text


def _compare(text: str, gold: str) -> tuple[bool, str] | None:
    """The first of the rules that can tell."""
    b = _numeral(gold, "point")
    a = _numeral(text, "point" if b is None else "auto")
    if a is not None and b is not None:
        return _numerals(a, b)
    if _WORD.match(gold) and _WORD.match(text) and min(len(gold), len(text)) > 3:
        same = words(gold) == words(text)
        return same, "the same word" if same else "another word"
    first, second = parse_closed(text), parse_closed(gold)
    if first is not None and second is not None:
        return _trees(first, second)
    if b is not None and a is None and first is None and (number := only_numeral(text)) is not None:
        return _numerals(number, b)
    if len(_PROSE.findall(text)) > 1 and "$" not in text:
        return False, "prose, not a formula"
    return compare_parts(text, gold, _compare)


def _numeral(text: str, marks: Marks) -> Numeral | None:
    """A number with its unit, where bare letters are variables rather than a unit unless everybody reads them as one.

    `marks`: a gold `1,22` is a list; a response to a gold that is one number has a decimal comma there.
    """
    numeral = read_numeral(text, marks) if "=" not in text else None
    unit = numeral.unit if numeral is not None else None
    letters = unit is not None and unit.isalpha() and unit.isascii() and len(unit) < 3 and unit not in _UNITS
    return None if letters and "\\text" not in text and "\\mathrm" not in text else numeral


def _numerals(a: Numeral, b: Numeral) -> tuple[bool, str] | None:
    value = convert(a.value, a.unit, b.unit)
    if value is None:
        return False, f"unit {a.unit} is not {b.unit}"
    pairs = [(value, b.value)]
    if a.percent != b.percent:
        pairs.append((value / 100 if a.percent else value, b.value / 100 if b.percent else b.value))
    rounded = a.decimal or b.decimal or value != a.value
    same = any(_same_number(x, y, rounded) for x, y in pairs)
    return same, "equal numbers" if same else "different numbers"


def _same_number(a: Fraction, b: Fraction, rounded: bool) -> bool:
    if a == b or not rounded:
        return a == b
    gap = abs(a - b)  # the share keeps 1e-9 apart from 5e-9, which rounding alone does not
    return gap <= Fraction(1, 10**5) * abs(b) and (gap <= _HALF or round(a, _PLACES) == round(b, _PLACES))


def _trees(a: Tree, b: Tree) -> tuple[bool, str] | None:
    names = sorted(variables(a) | variables(b))
    if not names:
        return _values(evaluate(a, {}), evaluate(b, {}), has_decimal(a) or has_decimal(b))
    chance = seeded("probe", " ".join(names))
    known = 0
    for _ in range(_PROBES):
        place = {name: complex(chance.choice((-1, 1)) * chance.uniform(0.3, 2.7)) for name in names}
        verdict = _values(evaluate(a, place), evaluate(b, place), False)
        if verdict is not None and not verdict[0]:
            return False, "different values at " + ", ".join(f"{k} = {v.real:.3g}" for k, v in place.items())
        known += verdict is not None
    return (True, f"equal values at {_PROBES} random places") if known == _PROBES else None


def _values(a: Value | None, b: Value | None, rounded: bool) -> tuple[bool, str] | None:
    if a is None or b is None:
        return None
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return (True, "equal numbers") if _same_number(a, b, rounded) else (False, "different numbers")
    x, y = complex(a), complex(b)
    size = max(abs(x), abs(y))
    if abs(x - y) <= 1e-11 * size:
        return True, "equal to 11 digits"
    if rounded and x.imag == y.imag == 0 and abs(x - y) <= 1e-5 * size:
        same = abs(x - y) <= _HALF or round(x.real, _PLACES) == round(y.real, _PLACES)
        return same, "equal to 6 decimals" if same else "different numbers"
    return (False, "different numbers") if abs(x - y) > 1e-7 * size else None


EXPRESSION = Kind(
    name="expression",
    params=ExpressionParams,
    read_gold=read_gold,
    judge=judge,
    settle=settle,
    metrics={
        "equal": Metric(
            "1 if the spellings agree; else if both are closed forms, 1 exactly when their values agree (rationals "
            "exactly, a number written with decimals to 6 places, others to 11 digits; with variables, at 4 seeded "
            "places); else what math-verify says of the span",
            "huggingface/Math-Verify 0.9.0, src/math_verify/grader.py",
        )
    },
    gold_forms="LaTeX with or without dollar signs, plain arithmetic, numbers as for the kind number, single words",
    response_forms="the same; of a sentence, its one `$…$` part or its one number",
    show=lambda gold: gold.latex,
    string_tier=True,
)
