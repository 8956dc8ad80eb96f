"""The failures that stop a build, by the boundary they cross. A bad *row* is never one of them: it is a dropped row."""

import difflib
from collections.abc import Iterable

BUG = "This is a bug in curate; please report it."
"""Ends the message of what no recipe, data or server can have caused."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """A hint at the known name that is nearest to a misspelt one; empty where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean '{close[0]}'?" if close else ""


class CurateError(Exception):
    """Base of every error whose message is written for the user and printed without a traceback."""


class ConfigError(CurateError):
    """Found before any work started. The message names the place and the cure."""


class MissingDependencyError(ConfigError):
    """An optional package is not installed; the message holds the exact pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}'. Install it with: pip install 'curate-multimodal[{extra}]'"
        )


class StepError(CurateError):
    """A step could not finish. What it had finished is kept; running the same command again goes on from there.

    `transient` says whether it may well succeed within the minute: a server was lost. All else stays what it is.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class StoreError(CurateError):
    """The workspace cannot be read or written (full disk, read-only, damaged)."""


class MediaError(StoreError):
    """A stored image is gone or damaged. A build puts it back from its source; no engine takes it for a refusal."""

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


class EngineError(CurateError):
    """A model call failed. The subclasses say what the driver does next."""


class TransientEngineError(EngineError):
    """Worth another try: 429, 5xx, time-out, lost connection. `retry_after` is in seconds where the server named it."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentEngineError(EngineError):
    """This request was refused as it is (too long, filtered, a broken image). The refusal goes into the failures log;
    `pipelines.run.refusals` decides whether a later build asks again."""


class FatalEngineError(EngineError):
    """No request will work (wrong key, unknown model); the build stops at once. Never holds a secret."""


class EngineDiedError(EngineError):
    """The local engine is gone; the driver restarts it and asks again what was in flight."""
