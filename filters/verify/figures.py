"""A number in digits: sign, currency, decimal, fraction, mixed number, power of ten."""

import re
from dataclasses import dataclass
from fractions import Fraction

from filters.verify.digits import DIGITS, Marks, has_decimals, value_of

_MONEY = r"(?:US\$|USD|EUR|GBP|INR|CNY|RMB|JPY|Rs\.?|[$€£¥₹₩₽])"
NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s*(?P<currency>{_MONEY}?)\s*(?P<sign2>[+-]?)
    (?: (?P<whole>\d+)\s+(?P<mixed_top>[1-9]\d*)\s*/\s*(?P<mixed_bottom>\d+)
      | (?P<top>{DIGITS})\s*/\s*(?P<bottom>{DIGITS})
      | (?P<decimal>{DIGITS})(?:[eE](?P<exponent>[+-]?\d{{1,3}})|\s*(?:x|\*)\s*10\s*\^\s*(?P<power>[+-]?\d{{1,3}}))?
    )(?![\d/^.,]*\d)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """`value` as written (50 % is 50), its unit, and whether it had a percent sign or decimals.

    `suffix`: the capital after the digits that was read as thousands, millions, … but is also a unit (`5K`, `5M`).
    """

    value: Fraction
    unit: str | None = None
    percent: bool = False
    decimal: bool = False
    suffix: str | None = None


def value_in(match: re.Match[str], marks: Marks) -> Numeral | None:
    """The number that `NUMBER` matched; None for two signs, for marks that make no number, and for a division by zero."""
    parts = match.groupdict()
    if parts["sign"] and parts["sign2"]:
        return None
    try:
        value = _magnitude(parts, marks)
    except ZeroDivisionError:
        return None
    if value is None:
        return None
    negative = "-" in (parts["sign"], parts["sign2"])
    decimal = bool(parts["decimal"]) and has_decimals(parts["decimal"], marks)
    return Numeral(-value if negative else value, parts["currency"].rstrip(".") or None, False, decimal)


def _magnitude(parts: dict[str, str], marks: Marks) -> Fraction | None:
    if parts["whole"]:
        return int(parts["whole"]) + Fraction(int(parts["mixed_top"]), int(parts["mixed_bottom"]))
    if parts["top"]:
        top, bottom = value_of(parts["top"], marks), value_of(parts["bottom"], marks)
        return None if top is None or bottom is None else top / bottom
    value = value_of(parts["decimal"], marks)
    power = int(parts["exponent"] or parts["power"] or 0)
    return None if value is None else value * Fraction(10) ** power
