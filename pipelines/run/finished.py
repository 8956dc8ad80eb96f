"""Which buckets of a step are finished while others of it are computed, so that a build that is killed goes on from there.

The record of a build is written after each step. Until then a line for each finished bucket is added to a file in the
step's folder; whoever runs the step next puts them into the record. What is not what was written, or has been computed of
other contents, is stale there as it ever is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.store.workspace import reading, store_errors

NAME = "finished.jsonl"


class Finished:
    """The finished buckets of a step with that folder; those of another `fingerprint` do not count."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._path = folder / NAME
        self._fingerprint = fingerprint

    def add(self, bucket: int, part: Mapping[str, Any]) -> None:
        """Note that a bucket's tables are written, and its record."""
        line = json.dumps([self._fingerprint, str(bucket), part])
        with store_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> dict[str, Any]:
        """The records of finished buckets, by their numbers as texts. A line that a kill cut short is none."""
        found: dict[str, Any] = {}
        try:
            with reading(self._path):
                lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return found
        for line in lines:
            try:
                fingerprint, bucket, part = json.loads(line)
            except ValueError:
                continue
            if fingerprint == self._fingerprint:
                found[bucket] = part
        return found

    def clear(self) -> None:
        """Forget them, once they are in the record of the build."""
        with store_errors(self._path):
            self._path.unlink(missing_ok=True)
