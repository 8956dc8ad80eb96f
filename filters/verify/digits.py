"""Numbers in digits with their decimal and thousands marks, as they are written in all countries."""

import re
from fractions import Fraction
from typing import Literal

Marks = Literal["auto", "point", "comma"]
"""Which mark is before the decimals; `auto` reads either where only one reading is left, else the point."""

DIGITS = r"(?:(?!0)\d{1,3}(?:[ ']\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*|\.\d+)"
"""One number without a sign: groups of three between blanks or apostrophes, or digits with points and commas."""
_POINT_GROUPS = re.compile(r"(?!0)\d{1,3}(?:\.\d{3}){2,}|(?!0)\d{1,3}(?:\.\d{3})+,\d+")
_COMMA_GROUPS = re.compile(r"(?!0)\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_INDIAN_GROUPS = re.compile(r"(?!0)\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_SWAP = str.maketrans(".,", ",.")
ARABIC = str.maketrans({"٫": ".", "٬": ","})
MOST = 400


def value_of(digits: str, marks: Marks = "auto") -> Fraction | None:
    """The value of what `DIGITS` matches; None where the marks make no number (`1,23,4`, `0,111` as thousands).

    `comma` reads `1,234` as 1.234 and `1.234` as thousands; what can be read one way only is read so under `comma` too.
    `auto`: `1,234` and `12,34,567` are thousands, `2,74`, `0,111` and `1.234,5` have a decimal comma, `1.234.567` has
    points between thousands, `1.234` has a decimal point.
    """
    if len(digits) > MOST:
        return None
    if digits.isdigit():
        return Fraction(int(digits))
    text = digits
    if " " in text or "'" in text:
        text = text.replace(" ", "").replace("'", "")
        text = text if marks == "point" else text.replace(",", ".")
    elif marks == "comma" and (_PLAIN.fullmatch(swapped := text.translate(_SWAP)) or _COMMA_GROUPS.fullmatch(swapped)):
        text = swapped
    elif marks != "point" and _POINT_GROUPS.fullmatch(text):
        text = text.translate(_SWAP)
    if _PLAIN.fullmatch(text):
        return Fraction(text)
    if _COMMA_GROUPS.fullmatch(text) or _INDIAN_GROUPS.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if marks != "point" and _DECIMAL_COMMA.fullmatch(text):
        return Fraction(text.replace(",", "."))
    return None


def has_decimals(digits: str, marks: Marks = "auto") -> bool:
    """Whether decimals are written out, so that the number may have been rounded (`12.50`, `2,74`)."""
    value = value_of(digits, marks)
    if value is None:
        return False
    return value.denominator != 1 or bool(re.search(r"\.0+$" if marks != "comma" else r",0+$", digits))
