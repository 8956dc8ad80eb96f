"""A row on its way to becoming a sample."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.ingest.image_loader import Taken

SHOWN = 200
"""How many characters of a text evidence shows."""


class Drop(Exception):  # noqa: N818  (not an error: the row's way out)
    """The cause for which a row is dropped, and its evidence."""

    def __init__(self, cause: str, **evidence: Any) -> None:
        self.cause = cause
        self.evidence = evidence


@dataclass(slots=True)
class Draft:
    """A row on its way to becoming a sample, or already on its way out (`drop`)."""

    row: dict[str, Any]
    kind: str = ""
    params: str = "{}"
    meta: str | None = None
    parsed: str = ""
    media: list[Taken] = field(default_factory=list)
    positions: tuple[int, ...] = ()
    id: str = ""
    drop: Drop | None = None
