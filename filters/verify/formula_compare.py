"""Two formulas compared by the first of the rules that can tell; parts that none can are put to whoever is asked."""

import re
from fractions import Fraction

from filters.verify.closed_form import Value, applied, evaluate, has_decimal, variables
from filters.verify.conclusion import last_statement
from filters.verify.digits import Marks
from filters.verify.east_asian import has_denial, in_east_asian
from filters.verify.figures import Numeral
from filters.verify.formula_text import tidy
from filters.verify.formula_tree import Tree, parse_closed
from filters.verify.intervals import compare_intervals
from filters.verify.numeral import MAX_CHARS, only_numeral, read_numeral
from filters.verify.parts import compare_parts
from filters.verify.relations import Compare, Verdict, compare_equations, exact
from filters.verify.sequences import compare_congruences, compare_sequences
from filters.verify.units import convert
from schemas.ids import seeded
from schemas.remembered import remembered

Ask = Compare

_PLACES = 6
"""Decimals to which a rounded number must agree, as in math-verify (`float_rounding`)."""
_HALF = Fraction(5, 10 ** (_PLACES + 1))
_PROBES = 4
_SPELLING = (
    (re.compile(r"\\(?:text|mathrm|mbox|textrm)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<![\d\s])\s+|\s+(?![\d\s])"), ""),
    (re.compile(r"\\(?:cdot|times)(?![a-zA-Z])"), "*"),
    (re.compile(r"\^\{(\w)\}"), r"^\1"),
    (re.compile(r"\\frac(\d)(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt(\d)"), r"\\sqrt{\1}"),
)
_MANY = re.compile(r"(?<!\\)\$[^$]*\$|\\[(\[]")
_OTHER_SCRIPTS = re.compile("[\u0400-\u06ff\u0900-\u097f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Letters in which no formula is written."""
_UNITS = frozenset(
    ("cm", "mm", "km", "kg", "mg", "ft", "in", "mi", "yd", "lb", "oz", "hr", "ms", "ml", "mL", "kJ", "kW")
)
"""Units of two letters that are no product of variables, without `\\text{}` too."""
_PROSE = re.compile(r"(?<![\\a-zA-Z{])(?!and\b|or\b|where\b|mod\b|sqrt\b)[a-zA-Z]{3,}(?![a-zA-Z}(])")


def nobody(text: str, gold: str) -> Verdict:
    """Asked where only what is cheap is wanted."""
    return None


def compare(text: str, gold: str, ask: Ask) -> Verdict:
    """Whether two formulas are the same, and why; None where no rule can tell and `ask` cannot either."""
    if _MANY.search(text) or _MANY.search(
        gold
    ):  # formulas among words: which of them is meant is for the engine to say
        return ask(text, gold)
    text, gold = exact(tidy(text)), exact(tidy(gold))
    if spelling(text) == spelling(gold):
        return True, "the same formula"

    def parts(a: str, b: str) -> Verdict:
        return compare(a, b, ask)

    verdict = _by_value(text, gold) or compare_congruences(text, gold) or compare_sequences(text, gold, parts)
    if verdict is not None:
        return verdict
    verdict = compare_intervals(text, gold, parts) or compare_parts(text, gold, parts)
    if verdict is not None:
        return verdict
    if "=" in text or "=" in gold:
        verdict = compare_equations(text, gold, parts)
        if verdict is not None:
            return verdict
    return (False, "prose, not a formula") if is_prose(text) else ask(text, gold)


def compare_statement(text: str, gold: str) -> Verdict:
    """Whether the number that a sentence states is the gold; None where the gold is no number, or the text states none."""
    if len(text) > MAX_CHARS:
        text, counts = last_statement(text)
        if not counts:
            return None
    unquoted = text.replace("$", " ")
    worded = is_prose(unquoted) or ("=" in text and _PROSE.search(unquoted))
    if not (worded or (not text.isascii() and _OTHER_SCRIPTS.search(text))):
        return None
    wanted = _numeral(tidy(gold), several=True)
    number = only_numeral(text) if wanted is not None else None
    if wanted is not None and number is None and in_east_asian(text) and has_denial(text):
        return False, "it denies, doubts or bounds"
    return None if number is None or wanted is None else _numerals(number, wanted)


def is_prose(text: str) -> bool:
    """Whether a text has several words of its own."""
    return "$" not in text and len(_PROSE.findall(text)) > 1


@remembered()
def spelling(text: str) -> str:
    """What is left of a tidy formula without blanks (but between figures) and with one way to write powers and fractions."""
    text = text.rstrip(".").strip()
    for pattern, by in _SPELLING:
        text = pattern.sub(by, text)
    return text


def _by_value(text: str, gold: str) -> Verdict:
    b = _numeral(gold, several=True)
    a = _numeral(text, several=b is None)
    if a is not None and b is not None:
        return _numerals(a, b)
    if a is not None and a.decimal and gold.startswith("0,") and (point := _numeral(gold, several=False)) is not None:
        return _numerals(a, point)  # "0,111" with a decimal comma: a list would hardly begin with 0 and no blank
    first, second = parse_closed(text), parse_closed(gold)
    if first is not None and second is not None:
        return _trees(first, second)
    if b is not None and a is None and first is None and "=" not in text:
        number = only_numeral(text)
        return None if number is None else _numerals(number, b)
    return None


def _numeral(text: str, several: bool) -> Numeral | None:
    """A number with its unit, where bare letters are variables rather than a unit unless everybody reads them as one.

    `several`: a gold `1,22` is a list; a response to a gold that is one number has a decimal comma there.
    """
    marks: Marks = "point" if several and "," in text else "auto"
    numeral = read_numeral(text, marks) if "=" not in text else None
    unit = numeral.unit if numeral is not None else None
    letters = unit is not None and unit.isalpha() and unit.isascii() and len(unit) < 3 and unit not in _UNITS
    return None if letters and "\\text" not in text and "\\mathrm" not in text else numeral


def _numerals(a: Numeral, b: Numeral) -> Verdict:
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


def _trees(a: Tree, b: Tree) -> Verdict:
    names = sorted(variables(a) | variables(b))
    if not names and not applied(a) and not applied(b):
        return _values(evaluate(a, {}), evaluate(b, {}), has_decimal(a) or has_decimal(b))
    chance = seeded("probe", " ".join(names))
    known, apart = 0, ""
    for _ in range(_PROBES):
        place = {name: complex(chance.choice((-1, 1)) * chance.uniform(0.3, 2.7)) for name in names}
        verdict = _values(evaluate(a, place), evaluate(b, place), False)
        if verdict is not None and not verdict[0]:
            where = ", ".join(f"{k} = {v.real:.3g}" for k, v in place.items())
            if all(v.real > 0 for v in place.values()):
                return False, f"different values at {where}" if where else "different values"
            apart = apart or where
        known += verdict is not None and verdict[0]
    if not apart:
        return (True, f"equal values at {_PROBES} random places") if known == _PROBES else None
    place = {name: complex(chance.uniform(0.3, 2.7)) for name in names}
    above = _values(evaluate(a, place), evaluate(b, place), False)
    # Equal where all variables are positive: the engine knows the real branches of roots and logarithms.
    return None if above is not None and above[0] else (False, f"different values at {apart}")


def _values(a: Value | None, b: Value | None, rounded: bool) -> Verdict:
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
