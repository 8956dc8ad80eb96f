r"""Equations: the left side counts, unless it only names the value (`x = 3`) or is a response's own working.

A gold `7 = 11a + c` asks for an equation and `x + y = 3` does not ask for 3; a gold `x = 3` is met by `3`. A response may
write what it worked out before its result: `m + n = 256 + 37 = 293`.
"""

import re
from collections.abc import Callable

from filters.verify.closed_form import evaluate, variables
from filters.verify.formula_tree import parse_closed
from schemas.ids import seeded

Verdict = tuple[bool, str] | None
Compare = Callable[[str, str], Verdict]

_RELATION = re.compile(r"\\(?:le|ge|ne|approx|simeq|equiv|in|sim|to|mapsto)(?![a-zA-Z])|≈|[=<>]")
_APPROX = re.compile(r"\\(?:approx|simeq|sim)(?![a-zA-Z])|≈")
_NAME = re.compile(
    r"(?:\\(?:angle|triangle|measuredangle|m\\angle|vec|overline|overrightarrow)\s*)?(?:"
    r"\{?[A-Z]{1,4}\}?(?:_(?:\w|\{[^{}]{1,20}\}))?'*(?:\([^()=]{1,40}\)|\([^()]{1,40}\))?"
    r"|\\?[a-z](?:_(?:\w|\{[^{}]{1,20}\}))?'*(?:\([\w\\ ,]{1,12}\))?"
    r"|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|varphi|Delta|Omega)(?:_(?:\w|\{\w{1,20}\}))?"
    r"|\\(?:text|mathrm)\s*\{[^{}]{1,40}\}|[A-Za-z]{4,20}|\|[A-Z]{2}\||\(\s*\\?[a-z](?:\s*,\s*\\?[a-z]){1,5}\s*\))"
)
_FRACTION = re.compile(r"\\frac\s*\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}")
_RATIO = re.compile(r"([^:\s]{1,20})\s*:\s*([^:\s]{1,20})")
_NESTED = re.compile(r"[(\[{][^()\[\]{}]*[)\]}]")
_SAME_FUNCTION = re.compile(r"[a-zA-Z]\(\s*[a-z]\s*\)|y")
_PROBES = 4
_FALSE = 0.05
"""Sides of numbers that differ by more than this share are no rounding of each other."""


def sides_of(text: str) -> tuple[list[str], list[str]]:
    """The sides of a chain of relations, and the signs between them; signs inside brackets belong to a side."""
    sides, signs, depth, start, at = [], [], 0, 0, 0
    while at < len(text):
        char = text[at]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and char in "\\=<>≈" and (match := _RELATION.match(text, at)):
            sides.append(text[start:at].strip())
            signs.append(match.group())
            start = at = match.end()
            continue
        elif char == "\\":
            at += 1
        at += 1
    sides.append(text[start:].strip())
    return sides, signs


def is_name(side: str) -> bool:
    """Whether a side only names what the other side gives: `x`, `x_1`, `f(x)`, `AB`, `P(A)`, `(x, y)`, a word."""
    if ":" in side or side.startswith("\\frac"):
        parts = _FRACTION.fullmatch(side) or _RATIO.fullmatch(side)
        return parts is not None and all(part[:1].isupper() and is_name(part) for part in parts.groups())
    return _NAME.fullmatch(side) is not None and side not in ("e", "i")


def exact(text: str) -> str:
    r"""`\frac{\sqrt{3}}{3} \approx 0.577` without what is only approximately so."""
    if not _APPROX.search(text):
        return text
    sides, signs = sides_of(text)
    if not signs or not _APPROX.fullmatch(signs[-1]):
        return text
    return (
        sides[-1] if not sides[0] or (len(sides) == 2 and is_name(sides[0])) else text[: text.rfind(signs[-1])].strip()
    )


def compare_equations(text: str, gold: str, compare: Compare) -> Verdict:
    """Whether two texts, one of which at least is an equation, say the same; None where that cannot be decided here."""
    (mine, signs), (theirs, wanted) = sides_of(text), sides_of(gold)
    if {*signs, *wanted} != {"="} or not all(mine) or not all(theirs):
        return None
    (name, value), (named, target) = _assigned(mine), _assigned(theirs)
    if not wanted:
        return compare(value, gold) if _holds(mine) else (False, "an equation that is not true")
    if not signs:
        return compare(text, target) if named else (False, "the gold is an equation")
    if name and named and (_spelled(name) == _spelled(named) or _both_functions(name, named)):
        return compare(value, target)
    return _proportional(mine, theirs) if len(mine) == len(theirs) == 2 else None


def name_of(text: str) -> str | None:
    """The name that an equation gives a value to; None where it is none, or an equation between formulas."""
    sides, signs = sides_of(text)
    if any("," in _NESTED.sub("", side) for side in sides):
        return None
    return _assigned(sides)[0] if set(signs) == {"="} and all(sides) else None


def value_of(text: str) -> str:
    """What an equation gives its name; any other text as it is."""
    sides, signs = sides_of(text)
    return _assigned(sides)[1] if set(signs) == {"="} and all(sides) and _assigned(sides)[0] else text


def _assigned(sides: list[str]) -> tuple[str | None, str]:
    """The name and its value; without a name the last side. `3 = x` gives a value to `x` as well."""
    if len(sides) == 2 and is_name(sides[1]) and not is_name(sides[0]):
        tree = parse_closed(sides[0])
        if tree is not None and not variables(tree):
            return sides[1], sides[0]
    named = [side for side in sides[:-1] if is_name(side)]
    return (named[0] if named and (named[0] == sides[0] or len(sides) > 2) else None), sides[-1]


def _spelled(name: str) -> str:
    return re.sub(r"[\s{}]", "", name)


def _both_functions(a: str, b: str) -> bool:
    return bool(_SAME_FUNCTION.fullmatch(a) and _SAME_FUNCTION.fullmatch(b)) and "y" in (a, b)


def _holds(sides: list[str]) -> bool:
    values = [evaluate(tree, {}) for s in sides if (tree := parse_closed(s)) is not None and not variables(tree)]
    known = [complex(v) for v in values if v is not None]
    return all(abs(a - known[-1]) <= _FALSE * max(abs(a), abs(known[-1])) for a in known[:-1])


def _proportional(mine: list[str], theirs: list[str]) -> Verdict:
    """Left less right is the same in both, up to a factor, at random places."""
    trees = [parse_closed(side) for side in (*mine, *theirs)]
    if any(tree is None for tree in trees):
        return None
    names = sorted(frozenset().union(*(variables(tree) for tree in trees if tree is not None)))
    chance = seeded("probe", " ".join(names))
    factors = []
    for _ in range(_PROBES):
        place = {name: complex(chance.choice((-1, 1)) * chance.uniform(0.3, 2.7)) for name in names}
        found = [evaluate(tree, place) for tree in trees if tree is not None]
        if any(value is None for value in found):
            return None
        a, b, c, d = (complex(value) for value in found if value is not None)
        if abs(c - d) < 1e-9 or abs(a - b) < 1e-9:
            return None
        factors.append((a - b) / (c - d))
    same = all(abs(f - factors[0]) <= 1e-9 * abs(factors[0]) for f in factors)
    return (True, "the same equation") if same else (False, "another equation") if names else None
