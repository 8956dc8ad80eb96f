"""Arithmetic that has to be *written*: any equation that uses the given numbers and is true, not one gold string.

The response is read by a parser of numbers, brackets and + − × ÷ %, in exact rationals; nothing is evaluated as code.
"""

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import unfenced
from filters.verify.normalise import unprefixed
from schemas.answer import ExpressionAnswer

MAX_CHARS = 500
_TOKEN = re.compile(r"\s*(\d{1,12}|[-+*/%()=])")
_SYMBOLS = str.maketrans({"×": "*", "÷": "/", "−": "-", "·": "*", "[": "(", "]": ")"})


class EquationParams(Params):
    """What the equation must be made of."""

    metric: Literal["numbers", "template"] = "numbers"
    numbers: tuple[int, ...] = Field(default=(), description="numbers: each must be used exactly once")
    template: str = Field(
        default="", description="template: the equation that was asked, `?` standing for each hidden digit"
    )
    operators: str = Field(default="+-*/", description="numbers: the operators that may be used")


def tokens_of(text: str) -> list[str] | None:
    """Numbers, operators and brackets; None where there is anything else."""
    text = unfenced(text).translate(_SYMBOLS).replace("\\times", "*").replace("\\div", "/").replace("\\cdot", "*")
    if len(text) > MAX_CHARS:
        return None
    tokens, position = [], 0
    while match := _TOKEN.match(text, position):
        tokens.append(match.group(1))
        position = match.end()
    return tokens if tokens and not text[position:].strip() else None


def value_of(tokens: Sequence[str]) -> Fraction | None:
    """The exact value of an arithmetic expression; None if it is none, or divides by zero."""
    reader = _Arithmetic(tokens)
    try:
        value = reader.sum()
    except (ValueError, ZeroDivisionError, IndexError, RecursionError):
        return None
    return value if reader.at == len(tokens) else None


class _Arithmetic:
    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def _next(self, *wanted: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sum(self) -> Fraction:
        value = self.product()
        while operator := self._next("+", "-"):
            other = self.product()
            value = value + other if operator == "+" else value - other
        return value

    def product(self) -> Fraction:
        value = self.atom()
        while operator := self._next("*", "/", "%"):
            other = self.atom()
            value = value * other if operator == "*" else value / other if operator == "/" else value % other
        return value

    def atom(self) -> Fraction:
        if self._next("-"):
            return -self.atom()
        if self._next("("):
            value = self.sum()
            if not self._next(")"):
                raise ValueError("bracket")
            return value
        self.at += 1
        return Fraction(int(self.tokens[self.at - 1]))


def read_gold(raw: str, options: Sequence[str], params: EquationParams) -> ExpressionAnswer:
    """One solution: its value is the target, and it must itself pass."""
    text = unprefixed(raw).translate(_SYMBOLS)
    if _worked_out(text, text, params).score != 1.0:
        raise GoldUnparseableError(f"no solution of its own problem: {raw[:80]!r}")
    return ExpressionAnswer(raw=raw, latex=text)


def judge(span: str, gold: ExpressionAnswer, options: Sequence[str], params: EquationParams) -> Outcome:
    """The response is worked out itself; of the gold only its value is used."""
    return _worked_out(unprefixed(span).translate(_SYMBOLS), gold.latex, params)


def _worked_out(text: str, gold: str, params: EquationParams) -> Outcome:
    if params.metric == "template":
        return _by_template(text, params.template.translate(_SYMBOLS))
    return _by_numbers(text, gold, params)


def _by_numbers(text: str, gold: str, params: EquationParams) -> Outcome:
    tokens = tokens_of(text)
    if tokens is None:
        return wrong("not arithmetic")
    sides = _sides(tokens)
    value, target = value_of(sides[0]), value_of(tokens_of(gold.split("=", maxsplit=1)[0]) or [])
    if value is None or len(sides) > 2 or (len(sides) == 2 and value_of(sides[1]) != value):
        return wrong("not a true equation", text)
    used = Counter(int(t) for t in sides[0] if t.isdigit())
    if used != Counter(params.numbers):
        return wrong(f"uses {sorted(used.elements())} instead of {sorted(params.numbers)}", text)
    strange = {t for t in sides[0] if t in "+-*/%" and t not in params.operators}
    if strange:
        return wrong(f"uses {', '.join(sorted(strange))}", text)
    return Outcome(float(value == target), f"gives {value}, the target is {target}", text)


def _by_template(text: str, template: str) -> Outcome:
    mine, frame = re.sub(r"\s", "", text), re.sub(r"\s", "", template)
    fits = len(mine) == len(frame) and all(
        a == b or (b == "?" and a.isdigit()) for a, b in zip(mine, frame, strict=True)
    )
    if not fits:
        return wrong("does not fit the given digits, operators and brackets", text)
    values = [value_of(side) for side in _sides(tokens_of(mine) or [])]
    true = len(values) == 2 and None not in values and values[0] == values[1]
    return Outcome(float(true), "true" if true else "not true", text)


def _sides(tokens: Sequence[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in tokens:
        if token == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    return sides


EQUATION = Kind(
    name="equation",
    params=EquationParams,
    read_gold=read_gold,
    judge=judge,
    longest=2_000,
    metrics={
        "numbers": Metric(
            "1 if the response is arithmetic in which each of `numbers` occurs once and whose value is the target",
            "SynLogic, game_of_24, with the target kept",
        ),
        "template": Metric(
            "1 if the response fits the frame digit by digit, brackets included, and both sides are equal",
            "SynLogic, math_path, with brackets compared",
        ),
    },
    gold_forms="one solution, such as `(1 + 2 + 3) * 4` for 24 from 1, 2, 3, 4; template: `2 + (3 * 4) = 14`",
    response_forms="`(1 + 2 + 3) * 4`, with or without `= 24`",
    show=lambda gold: gold.latex,
)
