"""Rewrites formulas as people type them (`sqrt(3)`, `x**2`, `2^(1/3)`, `pi`) into LaTeX."""

import re

_WORDS = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<![\\a-zA-Z])(sqrt|sin|cos|tan|ln|log|exp|pi)(?![a-zA-Z])"), r"\\\1"),
    (re.compile(r"π"), r"\\pi "),
    (re.compile(r"√\s*(\d+|[a-zA-Z])"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*\("), r"\\sqrt("),
    (re.compile(r"×|(?<=[\d)a-z])\s*\*\s*(?=[\d(a-z\\])"), r"\\cdot "),
    (re.compile(r"≤"), r"\\le "),
    (re.compile(r"≥"), r"\\ge "),
    (re.compile(r"∞"), r"\\infty "),
    (re.compile(r"÷"), r"\\div "),
)
_GROUPS = re.compile(r"(\^|\\sqrt|\\exp)\s*\(")
_LONG_POWER = re.compile(r"\^(-?\d{2,}|-\d)(?!\d)")
_NEEDS = re.compile(r"\*|sqrt|[×≤≥∞÷π√]|\^\s*\(|\^-?\d\d|\^-|pi|sin|cos|tan|ln|log|exp")


def latexed(text: str) -> str:
    """LaTeX for plain notation; LaTeX itself is left as it is."""
    if not _NEEDS.search(text):
        return text
    for pattern, by in _WORDS:
        text = pattern.sub(by, text)
    text = _LONG_POWER.sub(r"^{\1}", text)
    return _braced(text)


def _braced(text: str) -> str:
    """`^(…)` and `\\sqrt(…)` with braces for their parentheses, innermost included. One pass with a stack."""
    out: list[str] = []
    stack: list[int | None] = []
    opening = {match.end() - 1 for match in _GROUPS.finditer(text)}
    for at, char in enumerate(text):
        if char == "(":
            stack.append(len(out) if at in opening else None)
        elif char == ")" and stack:
            place = stack.pop()
            if place is not None:
                out[place] = "{"
                out.append("}")
                continue
        out.append(char)
    return "".join(out)
