"""Whether Prefect is there: asked before a build begins, so that nobody waits for a server that is none."""

import base64
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.errors import ConfigError, StepError
from schemas.secrets import without_user

if TYPE_CHECKING:
    from prefect.settings import Settings

WAIT_S = 4.0
_CURE = (
    "Start it with `prefect server start`, or unset PREFECT_API_URL: a build then has a server of its own while it runs"
)


def check_prefect(*, trust: bool = False) -> None:
    """Raise ConfigError where the Prefect server that the environment names is not there, or is none, or where there is
    none and its folder cannot be written; also as `read_settings` does. Takes a few seconds at most, and starts nothing."""
    settings = read_settings(trust=trust)
    if not settings.api.url:  # an empty one names none
        _check_home(settings.home)
        return
    headers = {}
    if settings.api.key is not None:
        headers["Authorization"] = f"Bearer {settings.api.key.get_secret_value()}"
    elif settings.api.auth_string is not None:
        user = base64.b64encode(settings.api.auth_string.get_secret_value().encode()).decode()
        headers["Authorization"] = f"Basic {user}"
    if not settings.api.url.startswith(settings.cloud.api_url):  # the cloud answers no such question
        _check_url(settings.api.url, headers)


def read_settings(*, trust: bool = False) -> "Settings":
    """Prefect's settings, as the environment has them. Raises ConfigError where one of them is wrong, and, without `trust`,
    where the current folder has some: it may be a stranger's, and they name code that Prefect runs (`logging.config_path`).
    """
    if not trust and (file := next(filter(_has_settings, _FILES), None)):
        raise ConfigError(
            f"The current folder has settings of Prefect ({file}), and such settings can run code. Read it, then add "
            "--trust, or run this in another folder."
        )
    try:  # what is set is read when Prefect is imported
        from prefect.settings import get_current_settings

        return get_current_settings()
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_context=False)[0]
        name = ".".join(map(str, wrong["loc"]))
        raise ConfigError(
            f"A setting of Prefect (PREFECT_…) is wrong: {name}: {wrong['msg']}.".replace(": :", ":")
        ) from None


def _has_settings(file: str) -> bool:
    """Whether Prefect finds settings in a file of the current folder; also where that cannot be read."""
    from dotenv import dotenv_values

    try:
        if file == ".env":
            return Path(file).exists() and any(
                "PREFECT" in key.upper() for key in dotenv_values(file, interpolate=False)
            )
        if file == "pyproject.toml":
            return "prefect" in tomllib.loads(Path(file).read_text("utf-8")).get("tool", {})
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError, TypeError):
        return True
    return Path(file).exists()


_FILES = ("prefect.toml", "pyproject.toml", ".env")


def _check_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ConfigError(
            f"Prefect cannot write to its folder {home} ({error.strerror}). Set PREFECT_HOME to one that can be written."
        ) from None


def _check_url(url: str, headers: dict[str, str]) -> None:
    """Ask a server for its version, which is a text of JSON."""
    import httpx

    shown = without_user(url)
    try:
        with httpx.Client(timeout=WAIT_S, headers=headers, trust_env=True) as client:
            answer = client.get(f"{url.rstrip('/')}/admin/version")
        if answer.status_code in (401, 403):
            raise ConfigError(
                f"The Prefect server at PREFECT_API_URL={shown} refuses these credentials. Set PREFECT_API_AUTH_STRING or "
                "PREFECT_API_KEY to right ones."
            )
        version = answer.json() if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"No Prefect server answers at PREFECT_API_URL={shown} ({type(error).__name__}). {_CURE}."
        ) from None
    except ValueError:
        version = None
    if not isinstance(version, str):
        raise ConfigError(
            f"What answers at PREFECT_API_URL={shown} is no Prefect server (its address ends in /api). {_CURE}."
        )


@contextmanager
def lost_server() -> Iterator[None]:
    """Say in a sentence that Prefect's server went away while a build ran."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise _lost(error) from error
    except RuntimeError as error:
        if "API" not in str(error):  # Prefect's words for a server that it does not reach
            raise
        raise _lost(error) from error


def _lost(error: Exception) -> StepError:
    return StepError(
        f"Prefect's server answers no more ({type(error).__name__}). Everything that was answered is in the log; the same "
        "command goes on from there once the server is back, or without PREFECT_API_URL."
    )
