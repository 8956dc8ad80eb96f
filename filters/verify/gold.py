"""Reads a published answer once, at ingest. What cannot be read can never be verified: such a row is dropped there."""

from collections.abc import Mapping, Sequence
from typing import Any

from filters.verify.catalogue import VERIFIERS
from filters.verify.kind import NO_PARAMS, GoldUnparseableError, Params
from schemas.answer import Answer

__all__ = ["GoldUnparseableError", "parse_gold", "read_params"]


def parse_gold(
    kind: str, raw: str, *, options: Sequence[str] = (), params: Mapping[str, Any] | Params = NO_PARAMS
) -> Answer:
    """The answer of `kind` that `raw` states, with `raw` kept beside it.

    Raises `GoldUnparseableError` when it states none, or when kind or parameters are unknown.
    """
    return VERIFIERS.parse_gold(kind, raw, options, params)


def read_params(kind: str, params: Mapping[str, Any]) -> Params:
    """The kind's parameters, checked. Raises `GoldUnparseableError` for an unknown name or a value out of range."""
    return VERIFIERS.read_params(kind, params)
