"""The JSON files of a model's folder, which come from elsewhere as the model does."""

import json
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError

MOST_BYTES = 64 << 20


def read_settings(path: Path) -> dict[str, Any] | None:
    """The object in a file such as `config.json`; None where there is no such file.

    Raises ConfigError, which names it, where it cannot be read, has over 64 MB, is no JSON, or nested without end.
    """
    if not path.is_file():  # nor what never ends, such as a device
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        found = json.loads(data) if len(data) <= MOST_BYTES else None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no JSON object, as the file of a model would be. Get the model again.")
    return found
