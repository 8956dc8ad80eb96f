"""The files in which a build keeps its record, and how they are known to be whole.

    builds/<recipe>/build.json           what the build is: its buckets, its pipeline, the hash of the record of each step
    builds/<recipe>/<step>/record.json   what the step wrote, a bucket at a time, and all that decided it

They decide what counts as done: the first is sealed by a hash of what it says, and vouches for the others. One that was cut
off, edited, or written by another edition of curate says nothing, and what it spoke of is computed again from the logs. A
step has a file of its own because its buckets are thousands in a build of ten million samples: a step that ends writes its
own file, and not again those of all steps.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.remote.places import copy_of
from pipelines.store.sealed_json import read_sealed, write_sealed
from pipelines.store.witness import Witness
from pipelines.store.workspace import read_json, write_json
from schemas.digests import SHORT, file_hash

LAYOUT = 7
"""Raised when the layout of step folders or of the record changes; every step is then computed again from the log."""

NAME, STEP_NAME = "build.json", "record.json"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of the build in `folder`, with `steps` in the order of its pipeline; None where there is none, or its file
    is not as it was written. A step whose own file is not is missing."""
    build = read_build(folder)
    if build is None:
        return None
    names = [step["name"] for step in build["pipeline"]["steps"]]
    found = {name: read_step(folder, name, build) for name in names}
    return {**build, "steps": {name: record for name, record in found.items() if record is not None}}


def read_build(folder: Path) -> dict[str, Any] | None:
    """What the build in `folder` is (`buckets, run, pipeline, tasks, records`), without its steps; None as in
    `read_record`."""
    found = read_sealed(folder / NAME)
    return found if found is not None and found.get("layout") == LAYOUT else None


def write_build(build: Mapping[str, Any], folder: Path) -> None:
    """Write what the build in `folder` is, after the records of its steps, and publish all of it where its workspace lies in
    an object store."""
    write_sealed({**build, "layout": LAYOUT}, folder / NAME)
    if (copy := copy_of(folder)) is not None:
        copy.builds.publish(folder.name)


def read_step(folder: Path, step: str, build: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of a step of a build; None where there is none, or its file is not as it was written."""
    digest, path = build.get("records", {}).get(step), folder / step / STEP_NAME
    if digest is None or not Witness(folder).holds(path, digest):
        return None
    found: dict[str, Any] = read_json(path)
    return found


def write_step(record: Mapping[str, Any], folder: Path) -> str:
    """Write the record of a step of the build in `folder`; the hash that its build has to name."""
    path = folder / str(record["step"]) / STEP_NAME
    write_json(record, path)
    return file_hash(path)[:SHORT]
