"""`math-verify` on an answer span: loaded on first use, and run only where it can be killed (see `pool`).

Its own time limits are off: they need `signal.alarm`, which exists in the main thread only, and cannot interrupt a big
integer. Its plain-text extractor is off as well, because it ends in sympy's `parse_expr`, which calls `eval`.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Literal

from filters.verify.recheck import contradiction
from schemas.errors import MissingDependencyError
from schemas.remembered import remembered

_DELIMITED = re.compile(r"\$|\\\(|\\\[|\\boxed")


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any, Any]:
    try:
        import math_verify
    except ImportError as error:
        raise MissingDependencyError("math-verify", "verify", "Comparing formulas") from error
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return math_verify.parse, math_verify.verify, math_verify.LatexExtractionConfig(boxed_match_priority=0)


_WARM = (("x^2", "\\gcd(4, 6)"), ("\\int x dx", "\\int 2x dx"))


def warm_up() -> None:
    """Loads the engine, so that no worker's first comparison pays for it: it fills its tables as it is used."""
    for gold, response in _WARM:
        equal(gold, response)


@remembered(1 << 19)
def parse_latex(text: str) -> tuple[Any, ...]:
    """The readings of a formula, sympy objects only; empty when the engine cannot read it."""
    parse, _, config = _engine()
    wrapped = text if _DELIMITED.search(text) else f"${text}$"
    readings = parse(wrapped, extraction_config=[config], fallback_mode="no_fallback", parsing_timeout=None)
    return tuple(readings)


def equal(gold: str, response: str) -> tuple[bool, str] | None:
    """Whether two formulas are the same, and why; None when `math-verify` cannot read the gold.

    It says whether; where it says yes, `recheck` looks for what speaks against that.
    """
    _, verify, _ = _engine()
    wanted, found = parse_latex(gold), parse_latex(response)
    if not wanted:
        return None
    if not found:
        return False, "not a formula"
    if not verify(list(wanted), list(found), timeout_seconds=None):
        return False, "not equal to the gold"
    against = contradiction(response, gold, found[0], wanted[0])
    return (False, against) if against else (True, "symbolically equal")


class ElsewhereError(Exception):
    """The engine is needed, and the caller wants it to run where it can be stopped."""


_ANSWER: ContextVar[Literal["ask", "elsewhere", "readable"]] = ContextVar("symbolic_engine", default="ask")


@contextmanager
def engine(answer: Literal["elsewhere", "readable"]) -> Iterator[None]:
    """Inside, `readable` loads and runs nothing: it raises `ElsewhereError`, or says yes of what was read elsewhere."""
    token = _ANSWER.set(answer)
    try:
        yield
    finally:
        _ANSWER.reset(token)


def readable(text: str) -> bool:
    """Whether the engine reads the text as a formula at all."""
    answer = _ANSWER.get()
    if answer == "elsewhere":
        raise ElsewhereError
    return answer == "readable" or bool(parse_latex(text))
