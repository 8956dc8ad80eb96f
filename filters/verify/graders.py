"""What each trainer's own grader says of a completion, so that a release can be tried against it before anyone trains.

Restated from the trainers' code over the same library calls; `mathruler` is the real one. They are run on gold answers
and on texts that a release would ship, never on rollouts: `mathruler` and math-verify's plain-text extractor end in
sympy's `parse_expr`, which evaluates its input, so anything that could be more than arithmetic is not handed to them.
"""

import re
import threading
from collections.abc import Callable
from typing import Any

from schemas.errors import MissingDependencyError
from schemas.tags import last_boxed

Grader = Callable[[str, str], float | None]
"""(completion, solution) → score, or None where the trainer skips the row."""

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_ANSWER_ONE_LINE = re.compile(r"<answer>(.*?)</answer>")
_STRANGE = re.compile(r"__|[\"`;@#~]|\.\s*[A-Za-z_]|lambda|import")


def _library() -> tuple[Any, Any]:
    try:
        import latex2sympy2_extended
        import math_verify
    except ImportError as error:
        raise MissingDependencyError("math-verify", "verify", "Trying a trainer's grader") from error
    return math_verify, latex2sympy2_extended.NormalizationConfig


def _limits(parsing: int, verifying: int) -> tuple[int | None, int | None]:
    """The library's time limits, which exist in the main thread only."""
    main = threading.current_thread() is threading.main_thread()
    return (parsing, verifying) if main else (None, None)


def _strict(**settings: Any) -> list[Any]:
    library, normalization = _library()
    config = library.LatexExtractionConfig(
        normalization_config=normalization(**settings), boxed_match_priority=0, try_extract_without_anchor=False
    )
    return [config]


def trl(completion: str, solution: str) -> float | None:
    """huggingface/trl 1.16, trl/rewards/accuracy_rewards.py `accuracy_reward`: an unreadable gold is skipped."""
    library, _ = _library()
    parsing, verifying = _limits(10, 5)
    gold = library.parse(_harmless(solution), parsing_timeout=parsing)
    if not gold:
        return None
    found = library.parse(
        completion, extraction_config=_strict(units=True), extraction_mode="first_match", parsing_timeout=parsing
    )
    return float(library.verify(gold, found, timeout_seconds=verifying))


def ms_swift(completion: str, solution: str) -> float | None:
    """modelscope/ms-swift, swift/rewards/orm.py `MathAccuracy`: reads inside `<answer>`; an unreadable gold scores 0."""
    library, _ = _library()
    parsing, verifying = _limits(5, 5)
    inside, truth = _ANSWER.search(completion), _ANSWER.search(solution)
    gold = library.parse(
        _harmless(truth.group(1).strip() if truth else solution), extraction_mode="first_match", parsing_timeout=parsing
    )
    if not gold:
        return 0.0
    if inside:
        text = _harmless(inside.group(1).strip())
        found = library.parse(text, extraction_mode="first_match", parsing_timeout=parsing)
    else:
        config = _strict(nits=False, malformed_operators=False, basic_latex=True, boxed=True, units=True)
        found = library.parse(
            completion, extraction_config=config, extraction_mode="first_match", parsing_timeout=parsing
        )
    return float(library.verify(gold, found, timeout_seconds=verifying))


def lmm_r1(completion: str, solution: str) -> float | None:
    """TideDra/lmm-r1, openrlhf/models/remote_rm/math_verifier.py: wraps the gold in dollars; an unreadable gold scores 1."""
    library, _ = _library()
    parsing, verifying = _limits(5, 5)
    truth = solution.strip()
    truth = truth if truth.startswith("$") else f"${truth}$"
    latex = [library.LatexExtractionConfig()]
    gold = library.parse(truth, extraction_config=latex, extraction_mode="first_match", parsing_timeout=parsing)
    if not gold:
        return 1.0
    # Its `equations=True` is left out: the library ignores it since 0.7 and says so at every call.
    config = _strict(nits=False, malformed_operators=False, basic_latex=True, boxed=True, units=True)
    found = library.parse(completion, extraction_config=config, extraction_mode="first_match", parsing_timeout=parsing)
    return float(library.verify(found, gold, timeout_seconds=verifying))


def easyr1(completion: str, solution: str) -> float | None:
    """hiyouga/EasyR1, examples/reward_function/r1v.py: `<answer>` on one line, else the whole reply, to `mathruler`."""
    match = _ANSWER_ONE_LINE.search(completion)
    return _mathruler(match.group(1).strip() if match else completion.strip(), solution.strip())


def verl(completion: str, solution: str) -> float | None:
    """volcengine/verl, verl/utils/reward_score/geo3k.py: the last box, to `mathruler`."""
    return _mathruler(last_boxed(completion) or "None", solution)


def _mathruler(answer: str, solution: str) -> float | None:
    if _STRANGE.search(answer) or _STRANGE.search(solution) or len(answer) > 2000:
        return 0.0 if answer != solution else None
    try:
        from mathruler.grader import grade_answer  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependencyError("mathruler", "verify", "Trying verl's and EasyR1's grader") from error
    return float(grade_answer(answer, solution))


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
