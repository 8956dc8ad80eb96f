"""The words of the small language of formulas (`formula_tree`), and a text cut into them."""

import re

_TOKEN = re.compile(
    r"\s*(?:(?!0)\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|\\[a-zA-Z]+|\\[%!,;:|{} ]|\S)"
)
_SKIPPED = {"\\left", "\\right", "\\,", "\\!", "\\;", "\\:", "\\ ", "\\displaystyle", "\\big", "\\Big"}
_LETTERS = "alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi omega varphi Delta Omega"
GREEK = frozenset(f"\\{name}" for name in _LETTERS.split())
ARCS = {"\\sin": "\\arcsin", "\\cos": "\\arccos", "\\tan": "\\arctan"}
_NAMES = "sin cos tan sec csc cot sinh cosh tanh arcsin arccos arctan ln exp lg"
FUNCTIONS = frozenset(f"\\{name}" for name in _NAMES.split())
ACCENTS = frozenset(
    f"\\{name}" for name in ("overline", "bar", "hat", "tilde", "vec", "dot", "widehat", "overrightarrow")
)
ROUNDED = {"\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}
APPLIED = frozenset("fgh")
OPERAND = frozenset(("\\frac", "\\sqrt", "\\pi", "π", "√"))
FRACTIONS = ("\\frac", "\\dfrac", "\\tfrac")
TIMES = {"*", "\\cdot", "\\times", "×", "·"}
OVER = {"/", "\\div", "÷", ":"}


class NotClosedError(ValueError):
    """Not in the small language."""


def tokens_of(text: str) -> list[str]:
    tokens = []
    position = 0
    while match := _TOKEN.match(text, position):
        token = match.group().strip()
        position = match.end()
        if token in ("\\big", "\\left", "\\right") and text[position : position + 1] == ".":
            raise NotClosedError
        if token and token not in _SKIPPED:
            tokens.append(token)
    if text[position:].strip():
        raise NotClosedError
    return tokens
