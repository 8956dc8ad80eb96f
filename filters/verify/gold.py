"""Reads a published answer once, at ingest. What cannot be read can never be verified: such a row is dropped there."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from filters.verify.catalogue import KINDS
from filters.verify.kind import NO_PARAMS, GoldUnparseableError, Params
from schemas.answer import Answer

__all__ = ["GoldUnparseableError", "parse_gold", "read_params"]


def parse_gold(
    kind: str, raw: str, *, options: Sequence[str] = (), params: Mapping[str, Any] | Params = NO_PARAMS
) -> Answer:
    """The answer of `kind` that `raw` states, with `raw` kept beside it.

    Raises `GoldUnparseableError` when it states none, or when kind or parameters are unknown.
    """
    if kind not in KINDS:
        raise GoldUnparseableError(f"no answer kind {kind!r}; there are {', '.join(sorted(KINDS))}")
    if not raw.strip():
        raise GoldUnparseableError("the answer is empty")
    try:
        settings = params if isinstance(params, Params) else read_params(kind, params)
        return KINDS[kind].read_gold(raw, tuple(options), settings)
    except ValidationError as error:
        raise GoldUnparseableError(f"{raw[:80]!r} is no {kind}: {error.errors()[0]['msg']}") from error
    except (RecursionError, OverflowError) as error:
        raise GoldUnparseableError(f"{raw[:80]!r} is no {kind}: {error}") from error


def read_params(kind: str, params: Mapping[str, Any]) -> Params:
    """The kind's parameters, checked. Raises `GoldUnparseableError` for an unknown name or a value out of range."""
    try:
        return KINDS[kind].params.model_validate(dict(params))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        raise GoldUnparseableError(f"parameter {place} of {kind}: {first['msg']}") from error
