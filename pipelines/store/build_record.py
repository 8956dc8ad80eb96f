"""The file in which a build keeps its record: `builds/<recipe>/build.json`, and how it is known to be whole.

It is the one file that decides what counts as done, so it is sealed by a hash of what it says. One that was cut off, edited,
or written by another edition of curate says nothing, and everything is computed again from the logs.
"""

from pathlib import Path
from typing import Any

from pipelines.remote.places import copy_of
from pipelines.store.sealed_json import read_sealed, write_sealed

LAYOUT = 6
"""Raised when the layout of step folders or of the record changes; every step is then computed again from the log."""

NAME = "build.json"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of the build in `folder`; None where there is none, or it is not as it was written."""
    found = read_sealed(folder / NAME)
    return found if found is not None and found.get("layout") == LAYOUT else None


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write the record of the build in `folder`, and publish it where its workspace lies in an object store."""
    write_sealed(record, folder / NAME)
    if (copy := copy_of(folder)) is not None:
        copy.builds.publish(folder.name)
