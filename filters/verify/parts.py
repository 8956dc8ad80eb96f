"""Formulas of several parts: tuples and intervals place by place, sets and plain lists in any order."""

import re
from collections.abc import Callable

Verdict = tuple[bool, str] | None
Compare = Callable[[str, str], Verdict]

_OPEN = {"(": ")", "[": "]"}
_BRACES = re.compile(r"^(?:\\left\s*)?\\\{(.*?)(?:\\right\s*)?\\\}$", re.DOTALL)
_OR = re.compile(r"\s*(?:,|;|\bor\b|\band\b|\\text\s*\{\s*(?:or|and)\s*\})\s*")
_MOST = 20


def compare_parts(text: str, gold: str, compare: Compare) -> Verdict:
    """Whether two formulas of parts agree; None where a part cannot be told, or neither has parts.

    Several answers are never one: `3, 4` is not `3`, nor the other way round.
    """
    mine, theirs = _listed(text), _listed(gold)
    if mine is not None and theirs is not None:
        return _any_order(mine, theirs, compare) if len(mine) > 1 or len(theirs) > 1 else None
    enclosed, wanted = _enclosed(text), _enclosed(gold)
    if enclosed is None or wanted is None:
        return None
    if (text[0], text[-1]) != (gold[0], gold[-1]):
        return (False, "other brackets") if len(wanted) == 2 else None
    return _in_order(enclosed, wanted, compare)


def split_top(text: str, separators: re.Pattern[str] = re.compile(",")) -> list[str] | None:
    """The parts between separators that stand in no bracket; None when brackets do not balance or a part is empty."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
        elif depth == 0 and (match := separators.match(text, at)) and match.end() > at:
            parts.append(text[start:at].strip())
            start = at = match.end()
            continue
        if depth < 0:
            return None
        at += 1
    parts.append(text[start:].strip())
    return parts if depth == 0 and all(parts) else None


def _listed(text: str) -> list[str] | None:
    """The members of `\\{…\\}` or of a list without brackets; a formula without commas is a list of one."""
    braced = _BRACES.match(text)
    if braced is not None:
        return split_top(braced.group(1))
    return None if text[:1] in _OPEN and _enclosed(text) else split_top(text, _OR)


def _enclosed(text: str) -> list[str] | None:
    """The parts of `(a, b)`, `[a, b)` and their like, at least two."""
    if len(text) < 3 or text[0] not in "([" or text[-1] not in ")]":
        return None
    parts = split_top(text[1:-1])
    return parts if parts is not None and len(parts) > 1 else None


def _in_order(mine: list[str], theirs: list[str], compare: Compare) -> Verdict:
    if len(mine) != len(theirs):
        return False, f"{len(mine)} parts instead of {len(theirs)}"
    verdicts = [_part(a, b, compare) for a, b in zip(mine, theirs, strict=True)]
    if any(v is False for v in verdicts):
        return False, "a part differs"
    return (True, "all parts are equal") if all(verdicts) else None


def _any_order(mine: list[str], theirs: list[str], compare: Compare) -> Verdict:
    if max(len(mine), len(theirs)) > _MOST:
        return None
    table = [[_part(a, b, compare) for b in theirs] for a in mine]
    if any(v is None for row in table for v in row):
        return None
    covered = all(any(row) for row in table) and all(any(row[j] for row in table) for j in range(len(theirs)))
    return covered, "the same members" if covered else f"not the same members ({len(mine)} against {len(theirs)})"


def _part(a: str, b: str, compare: Compare) -> bool | None:
    if a == b:
        return True
    verdict = compare(a, b)
    return None if verdict is None else verdict[0]
