"""Finished runs, a line each: a run that was killed leaves none, and the same command goes on behind the last one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.proof.files import RUNS
from pipelines.store.holding import HeldError, holding
from pipelines.store.journal_lines import read_lines, to_line
from pipelines.store.workspace import replacing, store_errors
from schemas.errors import ConfigError

Run = dict[str, Any]


class State:
    """The runs of one plan. `held` keeps other processes out; only who holds it adds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RUNS
        self._lock = folder / ".lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the proof alone, and take off a last line that was torn. Raises ConfigError where another holds it."""
        with store_errors(self._path):
            try:
                with holding(self._lock):
                    self._mend()
                    yield
            except HeldError as error:
                raise ConfigError(
                    f"This proof is being run by another process. Wait for it or stop it.{error}"
                ) from None

    def runs(self) -> dict[tuple[str, int], Run]:
        """The finished runs by arm and seed."""
        if not self._path.exists():
            return {}
        found = read_lines(self._path.read_bytes(), _fault).rows
        return {(run["arm"], run["seed"]): run for run in found}

    def add(self, run: Run) -> None:
        """Keep a run, on the disk when this returns."""
        with store_errors(self._path), self._path.open("ab") as file:
            file.write(to_line(run))
            file.flush()
            os.fsync(file.fileno())

    def _mend(self) -> None:
        if not self._path.exists():
            return
        data = self._path.read_bytes()
        whole = b"".join(to_line(run) for run in read_lines(data, _fault).rows)
        if whole != data:
            with replacing(self._path, lasting=True) as path:
                path.write_bytes(whole)


def _fault(value: Any) -> str | None:
    fits = isinstance(value, dict) and isinstance(value.get("arm"), str) and isinstance(value.get("seed"), int)
    return None if fits else "it is no run"
