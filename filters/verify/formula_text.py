r"""One spelling for what writers of formulas take as the same: fonts, dots, relations, repeating decimals, bases.

`tidy` keeps the value of a formula, and the symbolic engine is shown its result as well: `0.\overline{3}` becomes
`\frac{1}{3}` and `52_8` becomes `42`, which the engine would read as a product and as 52.
"""

import re
from fractions import Fraction

from schemas.remembered import remembered

_PLAIN = (
    (re.compile(r"(?<=\d)(?:,\s?\\!|\{,\}|\\[,!; ])\s?(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\\(?:left|right|displaystyle|textstyle|limits|[bB]igg?[lr]?)(?![a-zA-Z])"), ""),
    (
        re.compile(
            r"\\(?:mathrm|mathbf|mathit|mathsf|boldsymbol|bm|rm|bf|textbf|pmb|underline)\{(\\?[a-zA-Z]+|-?[\d.,]+)\}"
        ),
        None,
    ),
    (re.compile(r"(?<!\\)\\(?:q?quad|[,;:!> ])|(?<!\\)~"), " "),
    (re.compile(r"\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:varnothing|emptyset)(?![a-zA-Z])|∅|\\\{\s*\\\}"), r"\\emptyset "),
    (re.compile(r"\\(?:l|c|)dots[cbmio]?(?![a-zA-Z])|…|⋯|\.\.\."), r"\\ldots "),
    (re.compile(r"\\leq(?:slant|q)?(?![a-zA-Z])|≤|⩽|<="), r"\\le "),
    (re.compile(r"\\geq(?:slant|q)?(?![a-zA-Z])|≥|⩾|>="), r"\\ge "),
    (re.compile(r"\\neq(?![a-zA-Z])|≠"), r"\\ne "),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"\\(?:[lr]?vert|mid)(?![a-zA-Z])"), "|"),
    (re.compile(r"∈"), r"\\in "),
    (re.compile(r"∪"), r"\\cup "),
    (re.compile(r"≡"), r"\\equiv "),
    (re.compile(r"±"), r"\\pm "),
    (re.compile(r"∓"), r"\\mp "),
    (re.compile(r"∞"), r"\\infty "),
    (re.compile(r"\\log\s*_\s*(?:e(?![a-zA-Z])|\{\s*e\s*\})"), r"\\ln "),
    (re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-zA-Z])|ℝ"), r"\\mathbb{R}"),
    (re.compile(r"\^\s*\{\s*\\prime\s*\}|\^\s*\\prime(?![a-zA-Z])|′|’"), "'"),
    (re.compile(r"\\operatorname\s*\{([a-z]+)\}"), r"\\\1 "),
)
_NEEDS = re.compile(r"[^\x20-\x5b\x5d-\x7e]|\\|~|[<>]=|\.\.\.|_")
_STRAY = re.compile(r"(?:\\|\s)+$")
_LETTERS = frozenset("eidxyzEI")
_REPEATING = re.compile(
    r"(?<![\d.,])(\d{1,60})\.(\d{0,60})\\(?:overline|bar|dot|overset\{\\frown\})\s*(?:\{\s*(\d{1,60})\s*\}|(\d))(?!\d)"
)
_ON_AND_ON = re.compile(r"(?<![\d.,])(\d{1,60})\.(\d{1,60})\s*\\ldots(?![a-zA-Z])")
_OVERLINED = re.compile("((?:[0-9]\u0305){1,60})")
_BASE = re.compile(
    r"(?<![\w.,}\\])\(?(\d[\dA-F]{0,59}|[A-F][\dA-F]{0,59}(?=\)?_\{?1))\)?"
    r"_(?:\{\s*(?:\\text\{)?\s*(\d{1,2}|[a-z]{3,7})\s*\}{1,2}|(\d)(?!\d))"
)
_BUILDER = re.compile(r"\\\{\s*([a-z])(?:\s*\\in\s*\\mathbb\{R\})?\s*(?:\||:)\s*(\1[^|{}]*|[^|{}]*\1[^|{}]*)\\\}")
"""A set of reals by its condition: `\\{x \\mid x > 0\\}`."""
_BASE_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
    "sixteen": 16,
}  # fmt: skip


@remembered()
def tidy(text: str) -> str:
    """The formula under the one spelling; linear in its length, and the same again when tidied twice."""
    if not _NEEDS.search(text):
        return text.strip()
    text = _STRAY.sub("", text)
    if "\u0305" in text:
        text = _OVERLINED.sub(lambda match: "\\overline{" + match.group().replace("\u0305", "") + "}", text)
    for pattern, by in _PLAIN:
        text = pattern.sub(_unfonted if by is None else by, text)
    text = _REPEATING.sub(_fraction, text)
    text = _ON_AND_ON.sub(_continued, text)
    text = _BASE.sub(_decimal, text).strip()
    builder = _BUILDER.fullmatch(text)
    return builder.group(2).strip() if builder else text


def _unfonted(match: re.Match[str]) -> str:
    inside = match.group(1)
    font = match.group().partition("{")[0]
    upright = font in ("\\mathrm", "\\rm")
    return (
        match.group() if upright and inside.isalpha() and inside not in _LETTERS and len(inside) > 1 else f" {inside} "
    )


def _fraction(match: re.Match[str]) -> str:
    return _latex(_repeating(match.group(1), match.group(2), match.group(3) or match.group(4)))


def _continued(match: re.Match[str]) -> str:
    """`0.333…`: figures that end in one block two times at least, three figures in all."""
    digits = match.group(2)
    for size in range(1, len(digits) // 2 + 1):
        block = digits[-size:]
        if digits.endswith(block * 2) and (size > 1 or digits.endswith(block * 3)):
            return _latex(_repeating(match.group(1), digits, block))
    return match.group()


def _repeating(whole: str, first: str, block: str) -> Fraction:
    start = Fraction(int(whole + first), 10 ** len(first))
    return start + Fraction(int(block), (10 ** len(block) - 1) * 10 ** len(first))


def _latex(value: Fraction) -> str:
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}" if value.denominator > 1 else str(value.numerator)


def _decimal(match: re.Match[str]) -> str:
    """`101_2` as 5. Where a figure is too large for the base, what looks like a base is an index."""
    name = match.group(2) or match.group(3)
    base = int(name) if name.isdigit() else _BASE_WORDS.get(name, 0)
    try:
        return str(int(match.group(1), base)) if base > 1 else match.group()
    except ValueError:
        return match.group()
