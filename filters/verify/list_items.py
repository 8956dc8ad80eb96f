"""What lists of words have in common: marks in front of their items, and items that are numbers."""

import re
from collections.abc import Iterable

from filters.verify.numeral import read_numeral

_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_CODE = re.compile(r"[+-]?0\d")


def without_bullets(text: str) -> str:
    """A text without the bullets and numbers that its lines begin with."""
    return _BULLET.sub("", text)


def in_digits(items: Iterable[str]) -> list[str]:
    """The items, numbers as digits (`three`, `3.0`, `三` are `3`); a code such as `007` stays what it is."""
    return [_in_digits(item) for item in items]


def _in_digits(item: str) -> str:
    numeral = read_numeral(item) if not _CODE.match(item) else None
    plain = numeral is not None and numeral.unit is None and not numeral.percent and numeral.suffix is None
    return str(numeral.value) if numeral is not None and plain else item
