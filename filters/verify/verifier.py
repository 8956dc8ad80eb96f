"""The one door: a response and a gold answer in, a verdict out."""

from collections.abc import Mapping, Sequence
from typing import Any

from filters.verify.catalogue import VERIFIERS
from filters.verify.kind import NO_PARAMS
from filters.verify.verifiers import CHEAP_CHARS, VerifyItem, is_right
from schemas.answer import Answer
from schemas.verdict import Verdict

__all__ = [
    "CHEAP_CHARS",
    "VerifyItem",
    "is_right",
    "prepare",
    "right_from",
    "settle",
    "state_of",
    "verify",
    "verify_item",
]


def verify(
    response: str,
    gold: Answer,
    *,
    verifier: str | None = None,
    params: Mapping[str, Any] = {},
    options: Sequence[str] = (),
    tags: str = "think_answer",
) -> Verdict:
    """Judges one response, in this process. Never raises: what goes wrong inside is an unscored verdict that says so.

    A formula can be written that takes years to compare. Where responses come from models, use `pool.VerifierPool`,
    which gives the same verdicts and can stop.
    """
    return verify_item(VerifyItem(response, gold, verifier, params, options, tags))


def verify_item(item: VerifyItem) -> Verdict:
    """`verify`, of an item."""
    return VERIFIERS.verify(item)


def settle(item: VerifyItem) -> Verdict | None:
    """The verdict where it costs little and is sure to end; None where the item belongs in a process of its own."""
    return VERIFIERS.settle(item)


def prepare(item: VerifyItem) -> VerifyItem:
    """The item with its gold read as far as the response has no part in it."""
    return VERIFIERS.prepare(item)


def state_of(gold: Answer, verifier: str | None = None, params: Mapping[str, Any] = NO_PARAMS) -> str:
    """The gold as a response would state it: the text of its answer span, or all sections of a composite.

    Raises `ValueError` where verifier or parameters do not fit the gold.
    """
    return VERIFIERS.state(gold, verifier, params)


def right_from(verifier: str, params: Mapping[str, Any] = NO_PARAMS) -> float:
    """The score from which an answer is right. Raises `ValueError` where there is no such verifier or metric."""
    return VERIFIERS.right_from(verifier, params)
