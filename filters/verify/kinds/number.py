"""Numbers: exact rationals, compared with the tolerance that the row asks for, in the gold's unit."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from pydantic import Field

from filters.verify.closed_form import evaluate
from filters.verify.digits import Marks
from filters.verify.figures import Numeral
from filters.verify.formula_tree import parse_closed
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.lead_in import without_talk
from filters.verify.normalise import unprefixed
from filters.verify.number_words import SUFFIXES
from filters.verify.numeral import MAX_CHARS, only_numeral, read_numeral
from filters.verify.plain_math import latexed
from filters.verify.units import convert, is_unit, split_unit
from schemas.answer import NumberAnswer
from schemas.remembered import remembered

ROUNDING = Fraction(1, 1_000_000)
"""What two decimals may differ by, relative to the gold, when no tolerance is asked for."""
_TWO_SIGNS = re.compile(r"^\W*?[+-]\s*[+-]")
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s?-\s?(\d+(?:\.\d+)?)")


class NumberParams(Params):
    """How close is close enough."""

    metric: Literal["exact", "mra", "smooth", "regression"] = "exact"
    abs_tol: float | None = Field(default=None, ge=0, description="accepted absolute difference, in the gold's unit")
    rel_tol: float | None = Field(
        default=None, ge=0, description="accepted difference as a share of the gold (0.05: ChartQA)"
    )
    decimals: int | None = Field(default=None, ge=0, le=12, description="round both to this many decimals first")
    percent: Literal["lenient", "strict"] = Field(
        default="lenient",
        description="lenient: 50%, 50 for a gold of 50%, and 0.5 are the same; strict: 50% is 0.5 only",
    )
    unit: Literal["lenient", "required"] = Field(
        default="lenient", description="lenient: a missing unit is taken as the gold's; required: it must be there"
    )
    marks: Marks = Field(
        default="auto",
        description="the mark before the decimals: point (1,234.5), comma (1.234,5), or auto: either, where only one "
        "reading is left (2,74; 1.234,5; 1 234,5), else the point",
    )


def read_gold(raw: str, options: Sequence[str], params: NumberParams) -> NumberAnswer:
    """A number with an optional unit; closed forms such as `2\\pi` are kept to 15 digits."""
    numeral = read_numeral(raw, params.marks) or _closed(raw) or read_numeral(raw, params.marks, any_unit=True)
    if numeral is None:
        raise GoldUnparseableError(f"not one number: {raw[:80]!r}")
    return NumberAnswer(raw=raw, value=numeral.value, unit=numeral.unit, percent=numeral.percent)


@remembered(size=lambda span, *others: len(span))  # few numbers answer many rows
def read_response(span: str, marks: Marks = "auto", unit: str | None = None) -> Numeral | None:
    """The one number of the span, be it alone, in a sentence, or as a closed form; `unit` is the gold's."""
    span = without_talk(span)
    numeral = only_numeral(span, marks)
    if numeral is None and unit and not is_unit(unit):
        numeral = read_numeral(span, marks, any_unit=True)
    if numeral is not None and numeral.suffix and unit and (letter := _as_unit(numeral, unit)) is not None:
        return letter
    return numeral or _closed(span)


def _as_unit(numeral: Numeral, unit: str) -> Numeral | None:
    """A number with a capital behind it (`300K`, `5M`) as one with a unit, where the gold's unit measures the same."""
    letter = str(numeral.suffix)
    plain = numeral.value / SUFFIXES[letter.casefold()]
    return replace(numeral, value=plain, unit=letter) if convert(plain, letter, unit) is not None else None


def judge(span: str, gold: NumberAnswer, options: Sequence[str], params: NumberParams) -> Outcome:
    """Compares in the gold's unit, after rounding where asked."""
    numeral = read_response(span, params.marks, gold.unit)
    if numeral is None:
        return wrong("the answer is not exactly one number")
    shown = _show(numeral.value, numeral.unit, numeral.percent)
    value = convert(numeral.value, numeral.unit, gold.unit)
    if value is None:
        return wrong(f"unit {numeral.unit} does not measure what {gold.unit} measures", shown)
    if params.unit == "required" and gold.unit and not numeral.unit:
        return wrong(f"the unit {gold.unit} is missing", shown)
    candidates = _candidates(gold, numeral, value, params)
    score, about = max((_score(g, p, params) for g, p in candidates), key=lambda pair: pair[0])
    return Outcome(score, about, shown)


def _candidates(
    gold: NumberAnswer, numeral: Numeral, value: Fraction, params: NumberParams
) -> list[tuple[Fraction, Fraction]]:
    if gold.percent == numeral.percent:
        return [(gold.value, value)]
    as_share = (
        gold.value / 100 if gold.percent else gold.value,
        value / 100 if numeral.percent else value,
    )
    return [as_share] if params.percent == "strict" else [as_share, (gold.value, value)]


def _score(gold: Fraction, value: Fraction, params: NumberParams) -> tuple[float, str]:
    if params.decimals is not None:
        gold, value = round(gold, params.decimals), round(value, params.decimals)
    error = abs(value - gold)
    share = error / abs(gold) if gold else (Fraction(0) if not error else Fraction(10**9))
    if params.metric == "mra":
        score = sum(share < Fraction(50 - 5 * step, 100) for step in range(10)) / 10
        return score, f"relative error {_short(share)}"
    if params.metric == "smooth":
        return _smooth(float(min(share, Fraction(1)))), f"relative error {_short(share)}"
    if params.metric == "regression":
        return float(1 - min(Fraction(1), share)), f"relative error {_short(share)}"
    return _exact(gold, value, error, params)


def _exact(gold: Fraction, value: Fraction, error: Fraction, params: NumberParams) -> tuple[float, str]:
    if error == 0:
        return 1.0, "equal numbers"
    if params.abs_tol is None and params.rel_tol is None:
        whole = gold.denominator == value.denominator == 1
        allowed = Fraction(0) if whole or params.decimals is not None else ROUNDING * abs(gold)
    else:
        allowed = max(Fraction(params.abs_tol or 0), Fraction(str(params.rel_tol or 0)) * abs(gold))
    if error <= allowed:
        return 1.0, f"differs by {_short(error)}, within {_short(allowed)}"
    return 0.0, f"differs by {_short(error)}, more than {_short(allowed)}"


def _smooth(share: float) -> float:
    if share <= 0.05:
        return 1.0
    return 0.0 if share >= 0.2 else 0.5 * (1 + math.cos(math.pi * (share - 0.05) / 0.15))


def _closed(text: str) -> Numeral | None:
    if len(text) > MAX_CHARS:
        return None
    plain = unprefixed(text)
    if (value := _value(text, plain)) is None and (parts := split_unit(plain)) is not None:
        value = _value(text, parts[0])
        return replace(value, unit=parts[1]) if value is not None else None
    return value


def _value(text: str, plain: str) -> Numeral | None:
    between = _RANGE.fullmatch(plain)
    if _TWO_SIGNS.match(text) or (between is not None and Fraction(between.group(1)) < Fraction(between.group(2))):
        return None  # a dash from a smaller to a larger number means a range
    tree = parse_closed(latexed(plain))
    value = evaluate(tree, {}) if tree is not None else None
    if value is None or isinstance(value, complex):
        return None
    return Numeral(value if isinstance(value, Fraction) else Fraction(value), decimal=not isinstance(value, Fraction))


def _show(value: Fraction, unit: str | None, percent: bool) -> str:
    number = str(value) if value.denominator < 1000 and value.numerator.bit_length() < 200 else _short(value, 12)
    return number + ("%" if percent else "") + (f" {unit}" if unit else "")


def _short(value: Fraction, digits: int = 4) -> str:
    try:
        return f"{float(value):.{digits}g}"
    except OverflowError:
        return "more than any double"


NUMBER = Kind(
    name="number",
    params=NumberParams,
    read_gold=read_gold,
    judge=judge,
    longest=2_000,
    metrics={
        "exact": Metric(
            "1 if |p − g| ≤ max(abs_tol, rel_tol·|g|), else 0. With neither set, integers must be equal and other "
            "numbers agree to 10⁻⁶ of the gold",
            "relaxed accuracy (rel_tol 0.05): ChartQA, arXiv 2203.10244 section 5",
        ),
        "mra": Metric(
            "mean relative accuracy: the share of θ in {.50, .55, …, .95} with |p − g| / |g| < 1 − θ",
            "VSI-Bench, arXiv 2412.14171 section 3.3",
            0.5,
        ),
        "smooth": Metric(
            "1 up to 5 % relative error, 0 from 20 %, half a cosine between",
            "Reason-RFT, tanhuajie/Reason-RFT train/stage_rl/reward.py",
        ),
        "regression": Metric(
            "1 − min(1, |p − g| / |g|)", "Video-R1, tulerfeng/Video-R1 src/r1-v/src/open_r1/grpo.py", 0.95
        ),
    },
    gold_forms=(
        "`42`, `-3.5`, `1,234`, `3/4`, `1 1/2`, `\\frac{3}{4}`, `2.5e3`, `2.5\\times 10^{3}`, `50%`, `5 cm`, `9.8 m/s^2`, "
        "`$12`, `2.5 million`, `forty-two`, `minus 5`, `三百五十`; any unit"
    ),
    response_forms=(
        "the same, alone, after a lead-in or `x =`, or as the number that a sentence states (see Numbers and units); closed "
        "forms (`2\\sqrt{3}`, `36\\pi cm^2`)"
    ),
    show=lambda gold: _show(gold.value, gold.unit, gold.percent),
    string_tier=True,
    symmetric=True,
)
