r"""Sets of reals, however written: `(-\infty, 2]`, `]-\infty, 2]`, `x \le 2`, `x \in …`, unions and "or"."""

import re
from typing import NamedTuple

from filters.verify.relations import Compare, Verdict, is_name, sides_of

_MOST = 12
_UNION = re.compile(
    r"\\cup(?![a-zA-Z])|\\lor(?![a-zA-Z])|\\text\s*\{\s*or\s*\}|\\vee(?![a-zA-Z])|\bor\b|(?<=[\])])\s*U\s*(?=[\[(])"
)
_BRACKETS = re.compile(r"([\[\](])(.*)([\])\[])", re.DOTALL)
_LESS, _MORE = ("<", "\\le"), (">", "\\ge")
_INFINITE = re.compile(r"([+-]?)\s*\\infty")


class Interval(NamedTuple):
    """Ends as they are written, infinity as `+` or `-`, and whether they belong to it."""

    low: str
    high: str
    closed: tuple[bool, bool]


def compare_intervals(text: str, gold: str, compare: Compare) -> Verdict:
    """Whether two sets of reals are the same; None where not both are such sets, or only brackets on both sides."""
    if not (_says_more(text) or _says_more(gold)):
        return None
    mine, theirs = reals(text), reals(gold)
    if mine is None or theirs is None:
        return None
    if mine[0] and theirs[0] and mine[0] != theirs[0]:
        return False, f"a set of {mine[0]} instead of {theirs[0]}"
    if len(mine[1]) != len(theirs[1]):
        return False, f"{len(mine[1])} intervals instead of {len(theirs[1])}"
    for wanted in theirs[1]:
        verdicts = [_same(interval, wanted, compare) for interval in mine[1]]
        if True not in verdicts:
            return None if None in verdicts else (False, "another interval")
    return True, "the same intervals"


def reals(text: str) -> tuple[str | None, list[Interval]] | None:
    """The name and the intervals of a set of reals; None where the text is none."""
    name, found = None, []
    parts = [part.strip() for part in _UNION.split(text)]
    if len(parts) > _MOST:
        return None
    for part in parts:
        one = _interval(part)
        if one is None or (name and one[0] and name != one[0]):
            return None
        name = name or one[0]
        found.append(one[1])
    return name, found


def _says_more(text: str) -> bool:
    """Whether a text is more than one pair of usual brackets, which may be a point or a pair as well."""
    return (
        bool(re.search(r"[<>]|\\(?:le|ge|in|cup)(?![a-zA-Z])|\\mathbb|\bor\b|\bU\b", text))
        or text[:1] == "]"
        or text[-1:] == "["
    )


def _interval(text: str) -> tuple[str | None, Interval] | None:
    sides, signs = sides_of(text)
    if signs == ["\\in"] and is_name(sides[0]):
        inside = _bracketed(sides[1])
        return (sides[0], inside[1]) if inside is not None else None
    if all(s in _MORE for s in signs):
        sides, signs = sides[::-1], [{">": "<", "\\ge": "\\le"}[s] for s in reversed(signs)]
    return _bracketed(text) if not signs else _inequality(sides, signs) if all(s in _LESS for s in signs) else None


def _inequality(sides: list[str], signs: list[str]) -> tuple[str, Interval] | None:
    closed = [s == "\\le" for s in signs]
    if len(sides) == 3 and is_name(sides[1]):
        return sides[1], Interval(_end(sides[0]), _end(sides[2]), (closed[0], closed[1]))
    if len(sides) == 2 and is_name(sides[0]) and not is_name(sides[1]):
        return sides[0], Interval("-", _end(sides[1]), (False, closed[0]))
    if len(sides) == 2 and is_name(sides[1]):
        return sides[1], Interval(_end(sides[0]), "+", (closed[0], False))
    return None


def _bracketed(text: str) -> tuple[None, Interval] | None:
    if text == "\\mathbb{R}":
        return None, Interval("-", "+", (False, False))
    match = _BRACKETS.fullmatch(text)
    if match is None:
        return None
    ends = _two(match.group(2))
    if ends is None:
        return None
    low, high = (_end(end) for end in ends)
    left, right = match.group(1) == "[", match.group(3) == "]"
    return None, Interval(low, high, (left and low != "-", right and high != "+"))


def _two(inside: str) -> list[str] | None:
    depth, cuts = 0, []
    for at, char in enumerate(inside):
        depth += (char in "([{") - (char in ")]}")
        if char in ",;" and depth == 0:
            cuts.append(at)
    if len(cuts) != 1:
        return None
    ends = [inside[: cuts[0]].strip(), inside[cuts[0] + 1 :].strip()]
    return ends if all(ends) else None


def _end(text: str) -> str:
    match = _INFINITE.fullmatch(text)
    return (match.group(1) or "+") if match else text


def _same(mine: Interval, wanted: Interval, compare: Compare) -> bool | None:
    if mine.closed != wanted.closed:
        return False
    verdicts = []
    for a, b in ((mine.low, wanted.low), (mine.high, wanted.high)):
        infinite = a in ("+", "-") or b in ("+", "-")
        verdict = (a == b, "") if infinite or a == b else compare(a, b)
        verdicts.append(None if verdict is None else verdict[0])
    return False if False in verdicts else None if None in verdicts else True
