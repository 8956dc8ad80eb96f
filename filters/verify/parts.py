"""Formulas of several parts: tuples and intervals place by place, sets and plain lists in any order."""

import re

from filters.verify.relations import Compare, Verdict, name_of, value_of

_OPEN = {"(": ")", "[": "]"}
_BRACES = re.compile(r"\\?\{(.*?)\\?\}", re.DOTALL)
_WORD = r"(?:\bor\b|\band\b|\\(?:text|mathrm|mbox)\s*\{\s*,?\s*(?:or|and)\s*,?\s*\})"
_OR = re.compile(rf"\s*[,;]\s*(?:{_WORD}\s*)?|\s*{_WORD}\s*")
_SEMICOLON = re.compile(r"\s*;\s*")
_SIGNS = re.compile(r"\\(p|m)(?:m|p)(?![a-zA-Z])")
_MOST = 20


def compare_parts(text: str, gold: str, compare: Compare) -> Verdict:
    """Whether two formulas of parts agree; None where a part cannot be decided, or neither has parts.

    Several answers are never one: `3, 4` is not `3`, nor the other way round.
    """
    mine, theirs = members(text), members(gold)
    if mine is not None and theirs is not None:
        return _members(mine, theirs, compare) if len(mine) > 1 or len(theirs) > 1 else None
    enclosed, wanted = _enclosed(text), _enclosed(gold)
    if enclosed is not None and wanted is None and theirs is not None and len(_names(theirs)) > 1:
        return _in_order(enclosed, [value_of(part) for part in theirs], compare)  # (5, 2) for p = 5, q = 2
    if enclosed is None or wanted is None:
        return None
    if (text[0], text[-1]) != (gold[0], gold[-1]):
        return (False, "other brackets") if len(wanted) == 2 else None
    return _in_order(enclosed, wanted, compare)


def split_top(text: str, separators: re.Pattern[str] = re.compile(",")) -> list[str] | None:
    """The parts between separators outside all brackets; None when brackets do not balance or a part is empty."""
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


def members(text: str) -> list[str] | None:
    """The members of `\\{…\\}` or of a list without brackets; a formula without commas is a list of one."""
    braced = _BRACES.fullmatch(text)
    if braced is not None and (text[0] == "\\" or "," in braced.group(1)):
        parts = split_top(braced.group(1))
    elif text[:1] in _OPEN and _enclosed(text):
        return both_signs(text) if len(both_signs(text)) > 1 else None
    else:
        groups = split_top(text, _SEMICOLON)
        several = groups is not None and len(groups) > 1 and all("," in group for group in groups)
        parts = groups if several else split_top(text, _OR)
    if parts is None:
        return None
    if len(parts) > 1 and name_of(parts[0]) and not any("=" in part for part in parts[1:]):
        parts[0] = value_of(parts[0])  # x = 1, 2, 3
    return [member for part in parts for member in both_signs(part)]


def both_signs(text: str) -> list[str]:
    """The two formulas that `\\pm` stands for; all its signs, and the opposite ones of `\\mp`, are taken together."""
    if not _SIGNS.search(text):
        return [text]
    above = {"p": "+", "m": "-"}
    below = {"p": "-", "m": "+"}
    return [_SIGNS.sub(lambda m: above[m.group(1)], text), _SIGNS.sub(lambda m: below[m.group(1)], text)]


def _enclosed(text: str) -> list[str] | None:
    """The parts of `(a, b)`, `[a, b)` and their like, at least two."""
    if len(text) < 3 or text[0] not in "([" or text[-1] not in ")]":
        return None
    parts = split_top(text[1:-1])
    return parts if parts is not None and len(parts) > 1 else None


def _members(mine: list[str], theirs: list[str], compare: Compare) -> Verdict:
    """Lists in any order, but for values of different names (`a = 2, b = 3`): without names they come in that order."""
    names, wanted = [name_of(part) for part in mine], [name_of(part) for part in theirs]
    if len(theirs) > 1 and all(wanted):
        letters = {re.split(r"_|(?<=[a-z])\d", name)[0] for name in wanted if name}
        values = [value_of(part) for part in theirs]
        if len(letters) == 1:
            return _any_order([value_of(part) for part in mine], values, compare)
        if not any(names):
            return _in_order(mine, values, compare)
    return _any_order(mine, theirs, compare)


def _names(parts: list[str]) -> set[str]:
    """The names of parts that each give a value to one."""
    names = [name_of(part) for part in parts]
    return {name for name in names if name} if all(names) else set()


def _in_order(mine: list[str], theirs: list[str], compare: Compare) -> Verdict:
    if len(mine) != len(theirs):
        return False, f"{len(mine)} parts instead of {len(theirs)}"
    verdicts = [_part(a, b, compare) for a, b in zip(mine, theirs, strict=True)]
    if any(v is False for v in verdicts):
        return False, "a part differs"
    return (True, "all parts are equal") if all(verdicts) else None


def _any_order(mine: list[str], theirs: list[str], compare: Compare) -> Verdict:
    """Every member of each list is in the other. Pairs are looked at from their own places on, and only as far as needed."""
    if max(len(mine), len(theirs)) > _MOST:
        return None
    unsure = False
    sides = [(mine, theirs, compare), (theirs, mine, lambda a, b: compare(b, a))]
    for these, those, ask in sides:
        for at, member in enumerate(these):
            found = _among(member, those[at:] + those[:at], ask)
            if found is False:
                return False, f"not the same members ({len(mine)} against {len(theirs)})"
            unsure |= found is None
    return None if unsure else (True, "the same members")


def _among(member: str, others: list[str], compare: Compare) -> bool | None:
    verdicts = []
    for other in others:
        verdicts.append(_part(member, other, compare))
        if verdicts[-1]:
            return True
    return None if None in verdicts else False


def _part(a: str, b: str, compare: Compare) -> bool | None:
    if a == b:
        return True
    verdict = compare(a, b)
    return None if verdict is None else verdict[0]
