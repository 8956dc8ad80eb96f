"""What a server's refusal means for a build, in words that never hold a key."""

import html
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from generators.engines.openai.transport import RedirectError
from schemas.errors import EngineError, FatalEngineError, PermanentEngineError, TransientEngineError
from schemas.secrets import hidden

_KEYS = re.compile(r"(?i)\b(?:sk|pk|gsk|xai|hf|key|AIza)[-_][\w*.-]{6,}|\bbearer\s+\S+")
_AGAIN = frozenset({408, 409, 425, 429})
_NO_CREDIT = ("insufficient_quota", "insufficient_credit", "insufficient_balance", "billing_hard_limit")
_FILTERED = ("moderation", "flagged", "content policy", "content_policy", "content_filter", "safety")
_LONGEST_MESSAGE = 500
_WORDS = ("error", "message", "detail", "msg", "errors", "error_message", "reason", "description", "title")
"""Where servers put their sentence, the first that has one counts."""

_PAGE = re.compile(r"(?i)\s*<(?:!doctype|html|head|body|title|h1|center)\b")
_COMMENT = re.compile(r"\s*<!--")
_UNSEEN = re.compile(r"(?is)<(script|style|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>")
_LONGEST_PAGE = 20_000
"""Characters of a web page that are looked through for a sentence."""
_DEEPEST = 30
"""Levels of a body that are looked through for a sentence."""


@dataclass(frozen=True)
class Asked:
    """Who was asked: the server's address as it may be shown, the model, and the secrets that were sent, the key first, with
    the variable that holds it."""

    server: str
    model: str
    secrets: tuple[str, ...] = field(repr=False)
    key_env: str


def scrub(text: str, secrets: Sequence[str]) -> str:
    """`text` without the secrets, without anything that looks like one, and not longer than a message should be."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return hidden(_KEYS.sub("***", text))[:_LONGEST_MESSAGE]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110,
    section 10.2.3) of the server's own clock (`date`); None where it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    wait = headers.get("retry-after")
    if wait is None:
        return None
    seconds = _number(wait)
    if seconds is not None:
        return max(0.0, seconds)
    then, now = _date(wait), _date(headers.get("date"))
    return None if then is None else max(0.0, then - (time.time() if now is None else now))


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def lost(error: Exception, asked: Asked) -> EngineError:
    """The engine error that it stands for where no whole reply came: a lost connection is worth another try, redirects
    without end are not."""
    if isinstance(error, RedirectError):
        return FatalEngineError(f"{asked.server} redirects without end. {_hint(asked)}")
    what = scrub(str(error), asked.secrets)
    return TransientEngineError(f"{asked.server} gives no answer ({type(error).__name__}): {what}")


def refusal(status: int, body: Any, headers: Mapping[str, str], asked: Asked) -> EngineError:
    """The engine error that a status of HTTP and the body that came with it stand for.

    408, 409, 425, 429 and 5xx are worth another try; 401, 403, an unknown model and an empty account end the build; every
    other refusal concerns this request only.
    """
    message = scrub(words(body) or f"it says no more than {status}", asked.secrets)
    about = f"{asked.server} refuses the request ({status}): {message}"
    lowered = (body if isinstance(body, str) else _dumped(body)).lower()
    if status == 402 or (status == 429 and any(code in lowered for code in _NO_CREDIT)):
        return FatalEngineError(
            f"{asked.server}: the account behind {asked.key_env} has no credit left ({status}): {message}"
        )
    if status == 403 and any(word in lowered for word in _FILTERED):
        return PermanentEngineError(about)
    if status in (401, 403):
        return FatalEngineError(
            f"{asked.server} refuses access ({status}). Check the key in the environment variable {asked.key_env}. "
            f"It says: {message}"
        )
    if status == 404:
        return FatalEngineError(f"{asked.server} does not serve the model '{asked.model}' (404): {message}{_v1(asked)}")
    if status in _AGAIN or status >= 500:
        return TransientEngineError(f"{asked.server} answers {status}: {message}", retry_after(headers))
    return PermanentEngineError(about)


def no_choices(body: Any, asked: Asked) -> EngineError:
    """The engine error that a reply without choices stands for: gateways say 200 and put their error into the body."""
    error = body.get("error") if isinstance(body, Mapping) else None
    code = error.get("code") if isinstance(error, Mapping) else None
    status = _number(str(code))
    if status is not None and 400 <= status < 600:
        return refusal(int(status), body, {}, asked)
    if isinstance(body, Mapping) and any(name in _dumped(body).lower() for name in _NO_CREDIT):
        return refusal(402, body, {}, asked)
    message = scrub(words(body) or "nothing", asked.secrets)
    where = _v1(asked) if isinstance(body, str) else ""
    return TransientEngineError(f"{asked.server} answers without choices; it says: {message}{where}")


def words(body: Any, levels: int = _DEEPEST) -> str:
    """The server's own sentence: of `{"error": {"message": …}}`, `{"detail": …}`, a web page, or whatever it sends."""
    if isinstance(body, str):
        return _text_of_page(body[:_LONGEST_PAGE]) if _is_page(body) else " ".join(body.split())
    if isinstance(body, Mapping):
        for name in _WORDS if levels else ():
            if body.get(name) and (message := words(body[name], levels - 1)):
                place = body.get("loc")
                return f"{'.'.join(map(str, place))}: {message}" if isinstance(place, list | tuple) else message
        return _dumped(body, ensure_ascii=False) if body else ""
    if isinstance(body, list | tuple):
        return "; ".join(message for part in body[:3] if levels and (message := words(part, levels - 1)))
    return "" if body is None else str(body)


def _dumped(body: Any, *, ensure_ascii: bool = True) -> str:
    """A body as JSON; nothing where it is nested too deeply to be written."""
    try:
        return json.dumps(body, default=str, ensure_ascii=ensure_ascii)
    except RecursionError:
        return ""


def _is_page(text: str) -> bool:
    """Whether a text is a web page, after any comments. One pass, whatever a server sends."""
    at = 0
    while (comment := _COMMENT.match(text, at)) is not None:
        end = text.find("-->", comment.end())
        if end < 0:
            return False
        at = end + len("-->")
    return _PAGE.match(text, at) is not None


def _text_of_page(page: str) -> str:
    """What a person would read on a web page, title first."""
    return " ".join(html.unescape(_UNSEEN.sub(" ", page)).split())


def _v1(asked: Asked) -> str:
    return "" if asked.server.rstrip("/").endswith("/v1") else f" {_hint(asked)}"


def _hint(asked: Asked) -> str:
    return f"Is the URL right? base_urls says {asked.server}, and the API of most servers is below /v1."
