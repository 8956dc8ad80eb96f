r"""Congruences (`x \equiv 5 \pmod 7`) and lists that go on (`1, 2, \ldots, n`)."""

import re
from fractions import Fraction
from itertools import pairwise

from filters.verify.closed_form import evaluate
from filters.verify.formula_tree import parse_closed
from filters.verify.parts import split_top
from filters.verify.relations import Compare, Verdict

_MODULUS = re.compile(
    r"[,;]?\s*\(?\s*(?:\\pmod|\\mod|\\bmod|(?<![a-zA-Z\\])mod(?:ulo)?)\s*(?:\{([^{}]{1,40})\}|\(?(\d{1,30}|[a-zA-Z])\)?)\s*\)?\s*$"
)
_EQUIV = re.compile(r"\\equiv(?![a-zA-Z])|=")
_OR = re.compile(r"\s*(?:,|\bor\b|\band\b|\\text\s*\{\s*,?\s*(?:or|and)\s*\})\s*")
DOTS = "\\ldots"
_MOST = 40


def compare_congruences(text: str, gold: str) -> Verdict:
    """Whether two congruences hold for the same numbers; None where the gold is none.

    The name may be missing from the response, as with `x = 3`; its modulus may not.
    """
    wanted, mine = _congruence(gold), _congruence(text)
    if wanted is None:
        return None if mine is None or len(mine[1]) != 1 else _last_value(mine, gold)
    if mine is None:
        return False, "no congruence"
    (name, residues, modulus), (other, found, by) = wanted, mine
    if by != modulus:
        return False, f"modulo {by} instead of {modulus}"
    if name and other and name != other:
        return False, f"a congruence of {other} instead of {name}"
    same = {_rest(r, modulus) for r in residues} == {_rest(r, modulus) for r in found}
    return same, "the same residues" if same else "other residues"


def _congruence(text: str) -> tuple[str, list[str], str] | None:
    """The name, the residues and the modulus."""
    match = _MODULUS.search(text[-100:])
    if match is None:
        return None
    body = text[: len(text) - (len(match.group()))].strip()
    modulus = re.sub(r"\s", "", match.group(1) or match.group(2))
    sides = [side.strip() for side in _EQUIV.split(body)]
    parts = split_top(sides[-1], _OR)
    if parts is None or len(parts) > _MOST or len(sides) > _MOST:
        return None
    return re.sub(r"\s", "", sides[0]) if len(sides) > 1 else "", parts, modulus


def _rest(residue: str, modulus: str) -> str:
    """A number by its rest; what is none by its spelling."""
    value = _number(residue)
    if value is None or not modulus.isdigit() or int(modulus) == 0 or value.denominator != 1:
        return re.sub(r"\s", "", residue)
    return str(int(value) % int(modulus))


def _last_value(mine: tuple[str, list[str], str], gold: str) -> Verdict:
    """A gold that is a number is met by the least residue: `2^{10} \\equiv 2 \\pmod 7` says that the remainder is 2."""
    value, residue = _number(gold), _number(mine[1][0])
    if value is None or residue is None or not mine[2].isdigit() or not 0 <= residue < int(mine[2]):
        return None
    return value == residue, "the remainder" if value == residue else "another remainder"


def _number(text: str) -> Fraction | None:
    tree = parse_closed(text)
    value = evaluate(tree, {}) if tree is not None else None
    return value if isinstance(value, Fraction) else None


def compare_sequences(text: str, gold: str, compare: Compare) -> Verdict:
    """Whether two lists with dots are the same: term by term, or with more of the terms that the first two foretell."""
    theirs = _terms(gold) if DOTS in gold else None
    mine = _terms(text) if DOTS in text else None
    if mine is None or theirs is None:
        return None if (mine is None) == (theirs is None) else (False, "a list that goes on, and one that does not")
    (first, last), (start, end) = mine, theirs
    if len(last) != len(end) or not first or not start:
        return False, "another list"
    shared = min(len(first), len(start))
    verdicts = [compare(a, b) for a, b in zip([*first[:shared], *last], [*start[:shared], *end], strict=True)]
    if any(v is None for v in verdicts):
        return None
    if not all(v[0] for v in verdicts if v is not None):
        return False, "a term differs"
    longer = max(first, start, key=len)
    if len(first) != len(start) and not (shared > 1 and _regular(longer)):
        return False, "another list"
    return True, "the same terms"


def _terms(text: str) -> tuple[list[str], list[str]] | None:
    """What is before and after the dots."""
    inside = re.sub(r"^(?:\\?\{|\()|(?:\\?\}|\))$", "", text.strip()).strip()
    inside = inside.replace(DOTS, DOTS + " ").strip()
    parts = split_top(inside.rstrip(", "), re.compile(r"\s*[,;]\s*"))
    if parts is None or parts.count(DOTS) != 1 or len(parts) > _MOST:
        return None
    at = parts.index(DOTS)
    return parts[:at], parts[at + 1 :]


def _regular(terms: list[str]) -> bool:
    values = [v for t in terms if (v := _number(t)) is not None]
    if len(values) != len(terms):
        return False
    steps = {b - a for a, b in pairwise(values)}
    if len(steps) == 1:
        return True
    return 0 not in values and len({b / a for a, b in pairwise(values)}) == 1
