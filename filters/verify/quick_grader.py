"""A trainer's grader's own scores, sooner: nothing is read twice, and plain numbers are read without a formula parser.

Three shortcuts come before the real grader, each where it is sure to come to the same, and nowhere else:

- What a strict reader of boxes (TRL's, LMM-R1's) makes of a long text it makes of the box alone, where no other of its
  patterns can match: see `_box_alone`.
- A plain number (`7`, `-0.25`: no sign but a minus, no leading zeros, few digits) in dollars or in a box is that number,
  and two of them are equal where their values are.
- Two formulas, as the grader's own library has read them, are not equal where their values at two places are far apart.
  The library would come to that by simplifying their difference, which takes a hundred times as long.

`benchmarks/round_trip_speed.py --compare` puts pairs, hostile ones among them, to both and finds no difference.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from filters.verify.graders import GRADERS, Grader, harmless
from schemas.remembered import remembered

Compare = Callable[[str, str], float | None]
Plain = Callable[[str], str | None]
"""The plain number that a text is; None where it is anything else."""

REMEMBERED = 1 << 20
"""Characters of the solutions, of the cuts and of the pairs that are kept."""
_NUMBER = r"-?(?:0|[1-9]\d{0,8})(?:\.\d{1,5})?"
_BARE = re.compile(rf"({_NUMBER})")
_IN_DOLLARS = re.compile(rf"\$({_NUMBER})\$")
_IN_BOX = re.compile(rf"\\boxed{{({_NUMBER})}}")
_BOX = "\\boxed{"
_OTHER_MARKS = re.compile(r"\$|\[|\\\(|(?i:final answer)")
"""What every other pattern of the strict reader needs somewhere in a text to match before a box does."""


def quick_grader(name: str) -> Grader:
    """The grader of that trainer with a memory of its own."""
    real = GRADERS[name]
    if name in ("easyr1", "verl"):

        def by_mathruler(solution: str, answer: str) -> float | None:
            return 0.0 if _mathruler_differs(solution, answer) else real.compare(solution, answer)

        return Grader(real.gold, real.answer, _values_first(by_mathruler, _shown, _shown), real.looks_at)
    gold, answer, looks_at = remembered(REMEMBERED)(real.gold), remembered(REMEMBERED)(real.answer), real.looks_at
    if name in ("trl", "lmm_r1"):
        looks_at = _cut_to_the_box

    def compare(solution: str, cut: str) -> float | None:
        numbers = _in_dollars(solution), _in_box(cut)
        left = gold(solution) if numbers[0] is None else _read(numbers[0])
        right = answer(cut) if numbers[1] is None else _read(numbers[1])
        return 0.0 if _readings_differ(left, right) else real.compare(left, right)

    return Grader(str, str, _values_first(compare, _in_dollars, _in_box), looks_at)


def _values_first(compare: Compare, gold: Plain, answer: Plain) -> Compare:
    """`compare`, once a pair; where both sides are plain numbers, their values decide."""

    @remembered(REMEMBERED, size=lambda solution, cut: len(solution) + len(cut))
    def by_value(solution: str, cut: str) -> float | None:
        left, right = gold(solution), answer(cut)
        if left is not None and right is not None:
            return float(Fraction(left) == Fraction(right))
        return compare(solution, cut)

    return by_value


def _cut_to_the_box(text: str) -> str:
    """From the first `\\boxed{` to the last brace, where the strict reader reads that and nothing else; else all of it.

    Its patterns of highest rank are formulas in dollars, brackets or `\\(…\\)`, "final answer is …" before a formula, and
    `\\boxed{.+}` from the first box to the last brace of the text. Where a text holds no mark of the first two, only the
    third can match, and it is the only one that is read: a lower rank is not tried once a higher one has matched.
    """
    start, end = text.find(_BOX), text.rfind("}")
    if start < 0 or end <= start + len(_BOX) or _OTHER_MARKS.search(text):
        return text
    return text[start : end + 1]


def _in_dollars(solution: str) -> str | None:
    return _plain(_IN_DOLLARS.fullmatch(solution))


def _in_box(cut: str) -> str | None:
    return _plain(_IN_BOX.fullmatch(cut.removeprefix("<answer>").removesuffix("</answer>")))


def _plain(match: re.Match[str] | None) -> str | None:
    # Both libraries rewrite just "0.5" as a fraction.
    return match.group(1) if match and match.group(1) != "0.5" else None


def _shown(text: str) -> str | None:
    """A number as `mathruler` is given it: bare, in dollars, or in a box."""
    return _plain(_BARE.fullmatch(text)) or _in_dollars(text) or _in_box(text)


def _read(number: str) -> list[Any]:
    """As math-verify reads a plain number: its value, and its spelling to fall back on."""
    import sympy  # type: ignore[import-untyped]

    return [sympy.Float(number) if "." in number else sympy.Integer(number), number]


def _readings_differ(left: list[Any], right: list[Any]) -> bool:
    """Whether two of math-verify's readings (a formula and its spelling) are formulas of far values, spelled unlike."""
    import sympy

    if len(left) != 2 or len(right) != 2 or not isinstance(left[1], str) or not isinstance(right[1], str):
        return False
    one, other = left[0], right[0]
    if left[1].strip() == right[1].strip() or not (_is_plain(one) and _is_plain(other)):
        return False
    # Symbols have a comparison of their own, which goes by letters.
    return not isinstance(one, sympy.Symbol) and not isinstance(other, sympy.Symbol) and _far_from_zero(one, other)


def _mathruler_differs(solution: str, answer: str) -> bool:
    """Whether `mathruler` would come to simplify a difference, and that is far from zero."""
    try:
        read = _difference(solution, answer)
        return read is not None and _is_plain(read) and _far_from_zero(read, 0)
    except Exception:  # whatever stands in the way here, the grader itself has the word
        return False


def _difference(solution: str, answer: str) -> Any:
    """The difference that `mathruler` would simplify, on the way of its `grade_answer`; None wherever that turns off."""
    from mathruler import grader as library  # type: ignore[import-untyped]

    if not harmless(answer) or not harmless(solution):
        return None
    same = library.normalize_answer(solution) == library.normalize_answer(answer)
    left, right = (library.split_tuple(library._normalize(text)) for text in (solution, answer))
    if same or len(left) != 1 or len(right) != 1 or not right[0] or left == right:
        return None
    (one,), (other,) = left, right
    if (library._is_frac(one) and library._is_frac(other)) or library._str_is_int(one) != library._str_is_int(other):
        return None
    difference = f"({one})-({other})"
    return library._sympy_parse(difference) if library.should_allow_eval(difference) else None


def _is_plain(formula: Any) -> bool:
    """A scalar of numbers, real variables and known functions, without percent signs."""
    import sympy
    from sympy.core.function import AppliedUndef  # type: ignore[import-untyped]
    from sympy.matrices.expressions.matexpr import MatrixExpr  # type: ignore[import-untyped]

    if not isinstance(formula, sympy.Expr) or isinstance(formula, MatrixExpr):
        return False
    if formula.has(sympy.UnevaluatedExpr, AppliedUndef, sympy.Integral, sympy.Derivative, sympy.Sum, sympy.Limit):
        return False
    return all(type(s) is sympy.Symbol and not s.is_integer and not s.is_nonpositive for s in formula.free_symbols)


_PLACES = (1.37, 2.91)
"""Where variables are put; the next ones a little further on."""
_FAR = 0.01


def _far_from_zero(one: Any, other: Any) -> bool:
    import sympy

    try:
        difference = one - other
        names = sorted(difference.free_symbols, key=str)
        for place in _PLACES:
            there = {name: sympy.Float(place + 0.53 * i) for i, name in enumerate(names)}
            if not abs(complex(difference.xreplace(there).evalf(15))) > _FAR:
                return False
        return True
    except Exception:  # no number, or none that can be had: the grader itself has the word
        return False
