"""What each trainer's own grader gives a completion, so that a release can be tried against it before anyone trains.

Restated from the trainers' code over the same library calls; `mathruler` is the real one. They are run on gold answers
and on texts that a release would ship, never on rollouts: `mathruler` and math-verify's plain-text extractor end in
sympy's `parse_expr`, which evaluates its input, so anything that could be more than arithmetic is not handed to them.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.errors import MissingDependencyError
from schemas.tags import last_boxed


@dataclass(frozen=True)
class Grader:
    """A trainer's grader, called with (completion, solution): a score, or None where the trainer skips the row.

    In its parts, so that what comes again need not be read again: `looks_at` cuts out of a completion what is read of it
    (equal cuts, equal scores), `gold` reads a solution, `answer` reads a cut, `compare(gold, answer)` scores. `rule` says
    whose code it restates, and what that makes of an odd gold.
    """

    gold: Callable[[str], Any]
    answer: Callable[[str], Any]
    compare: Callable[[Any, Any], float | None]
    looks_at: Callable[[str], str] = str
    rule: str = ""

    def __call__(self, completion: str, solution: str) -> float | None:
        return self.compare(self.gold(solution), self.answer(self.looks_at(completion)))


_OPEN, _CLOSE = "<answer>", "</answer>"
_STRANGE = re.compile(r"__|[\"`;@#~]|\.\s*[A-Za-z_]|lambda|import")


def _library() -> tuple[Any, Any]:
    try:
        import latex2sympy2_extended
        import math_verify
    except ImportError as error:
        raise MissingDependencyError("math-verify", "verify", "Trying a trainer's grader") from error
    return math_verify, latex2sympy2_extended.NormalizationConfig


def _limit(seconds: int) -> int | None:
    """The library's time limits, which exist in the main thread only."""
    return seconds if threading.current_thread() is threading.main_thread() else None


@lru_cache(maxsize=8)
def _strict(*settings: tuple[str, Any]) -> list[Any]:
    library, normalization = _library()
    config = library.LatexExtractionConfig(
        normalization_config=normalization(**dict(settings)), boxed_match_priority=0, try_extract_without_anchor=False
    )
    return [config]


_LOOSE = (("nits", False), ("malformed_operators", False), ("basic_latex", True), ("boxed", True), ("units", True))


def _parse(text: str, seconds: int, config: list[Any] | None = None, mode: str = "first_match") -> list[Any]:
    library, _ = _library()
    chosen = {} if config is None else {"extraction_config": config}
    found: list[Any] = library.parse(text, extraction_mode=mode, parsing_timeout=_limit(seconds), **chosen)
    return found


def _equal(gold: list[Any], answer: list[Any]) -> float:
    library, _ = _library()
    return float(library.verify(gold, answer, timeout_seconds=_limit(5)))


def _trl_gold(solution: str) -> list[Any]:
    return _parse(_harmless(solution), 10, mode="any_match")


def _trl_answer(completion: str) -> list[Any]:
    return _parse(completion, 10, _strict(("units", True)))


trl = Grader(
    _trl_gold,
    _trl_answer,
    lambda gold, answer: _equal(gold, answer) if gold else None,
    rule="huggingface/trl 1.16, trl/rewards/accuracy_rewards.py `accuracy_reward`: an unreadable gold is skipped.",
)


def inside_answer(text: str) -> str | None:
    """What `<answer>(.*?)</answer>` finds first, over lines: from the first opening mark to the next closing one. Linear."""
    start = text.find(_OPEN)
    end = text.find(_CLOSE, start + len(_OPEN)) if start >= 0 else -1
    return text[start + len(_OPEN) : end] if end >= 0 else None


def _swift_gold(solution: str) -> list[Any]:
    truth = inside_answer(solution)
    return _parse(_harmless(solution if truth is None else truth.strip()), 5)


def _swift_answer(completion: str) -> list[Any]:
    inside = inside_answer(completion)
    if inside is not None:
        return _parse(_harmless(inside.strip()), 5)
    return _parse(completion, 5, _strict(*_LOOSE))


ms_swift = Grader(
    _swift_gold,
    _swift_answer,
    lambda gold, answer: _equal(gold, answer) if gold else 0.0,
    lambda completion: completion if (inside := inside_answer(completion)) is None else f"{_OPEN}{inside}{_CLOSE}",
    rule="modelscope/ms-swift, swift/rewards/orm.py `MathAccuracy`: reads inside `<answer>`; an unreadable gold scores 0.",
)


def _lmm_gold(solution: str) -> list[Any]:
    truth = solution.strip()
    library, _ = _library()
    return _parse(truth if truth.startswith("$") else f"${truth}$", 5, [library.LatexExtractionConfig()])


def _lmm_answer(completion: str) -> list[Any]:
    # Its `equations=True` is left out: the library ignores it since 0.7 and says so at every call.
    return _parse(completion, 5, _strict(*_LOOSE))


lmm_r1 = Grader(
    _lmm_gold,
    _lmm_answer,
    lambda gold, answer: _equal(answer, gold) if gold else 1.0,
    rule="TideDra/lmm-r1, openrlhf/models/remote_rm/math_verifier.py: wraps the gold in dollars; an unreadable gold scores "
    "1.",
)


def _easyr1_cut(completion: str) -> str:
    found = (inside for line in completion.split("\n") if (inside := inside_answer(line)) is not None)
    return next(found, completion).strip()


easyr1 = Grader(
    str.strip,
    str,
    lambda gold, answer: _mathruler(answer, gold),
    _easyr1_cut,
    rule="hiyouga/EasyR1, examples/reward_function/r1v.py: `<answer>` on one line, else the whole reply, to `mathruler`.",
)

verl = Grader(
    str,
    str,
    lambda gold, answer: _mathruler(answer, gold),
    lambda completion: last_boxed(completion) or "None",
    rule="volcengine/verl, verl/utils/reward_score/geo3k.py: the last box, to `mathruler`.",
)


def _mathruler(answer: str, solution: str) -> float | None:
    if not harmless(answer) or _STRANGE.search(solution):
        return 0.0 if answer != solution else None
    try:
        from mathruler.grader import grade_answer  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependencyError("mathruler", "verify", "Trying verl's and EasyR1's grader") from error
    return float(grade_answer(answer, solution))


def harmless(text: str) -> bool:
    """Whether a text may be handed to a library that evaluates it: nothing but arithmetic can be in it."""
    return not _STRANGE.search(text) and len(text) <= 2000


def _harmless(text: str) -> str:
    return "" if _STRANGE.search(text) and "$" not in text else text


GRADERS: dict[str, Grader] = {
    "trl": trl,
    "ms_swift": ms_swift,
    "lmm_r1": lmm_r1,
    "easyr1": easyr1,
    "verl": verl,
}
"""By trainer. LLaMA-Factory grades nothing."""
