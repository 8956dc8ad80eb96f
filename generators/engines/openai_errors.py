"""What a server's refusal means for a build, in words that never hold a key."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from schemas.errors import EngineError, FatalEngineError, PermanentEngineError, TransientEngineError

_KEYS = re.compile(r"(?i)\b(?:sk|pk|gsk|xai|hf|key|AIza)[-_][\w*.-]{6,}|\bbearer\s+\S+")
_AGAIN = frozenset({408, 409, 425, 429})
_LONGEST_MESSAGE = 500


def scrub(text: str, key: str) -> str:
    """`text` without the key, without anything that looks like one, and not longer than a message should be."""
    if len(key) > 3:
        text = text.replace(key, "***")
    return _KEYS.sub("***", text)[:_LONGEST_MESSAGE]


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110,
    section 10.2.3); None where it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    said = headers.get("retry-after")
    if said is None:
        return None
    seconds = _number(said)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - (time.time() if now is None else now))
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def engine_error(error: Exception, server: str, model: str, key: str, key_env: str) -> EngineError:
    """The engine error that an exception of the openai library stands for.

    Lost connections, time-outs, 408, 409, 425, 429 and 5xx are worth another try; 401, 403, an unknown model and an
    empty account end the build; every other refusal concerns this request only.
    """
    status = getattr(error, "status_code", None)
    said = scrub(_said(error), key)
    if status is None:
        return TransientEngineError(f"{server} gives no answer ({type(error).__name__}): {said}")
    if status in (401, 403):
        return FatalEngineError(
            f"{server} refuses access ({status}). Check the key in the environment variable {key_env}."
        )
    if status == 404:
        return FatalEngineError(f"{server} does not serve the model '{model}' (404): {said}")
    if status == 429 and "insufficient_quota" in str(getattr(error, "code", "")):
        return FatalEngineError(f"{server}: the account behind {key_env} has no credit left")
    if status in _AGAIN or status >= 500:
        headers = getattr(getattr(error, "response", None), "headers", {})
        return TransientEngineError(f"{server} answers {status}: {said}", retry_after(headers))
    return PermanentEngineError(f"{server} refuses the request ({status}): {said}")


def _said(error: Any) -> str:
    """The server's own sentence, where there is one."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, Mapping) else inner
        if message:
            return str(message)
    return str(error)
