"""Clocks jump: by a day, by a year, ahead and back, between builds and in them. Nothing depends on one but a time that is
shown."""

import itertools
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recipe_build import sums, write_recipe
from scripted_engine import MODEL, Scripted, question_of
from tiny import digests

import pipelines
from pipelines.job import Job, compile_recipe, open_job
from pipelines.store import journal_lines
from pipelines.store.completions import CompletionsLog
from pipelines.store.garbage import collect_garbage
from pipelines.store.workspace import Workspace
from schemas.completion import Request

STEPS: list[Any] = [
    {"rollout": {"model": "m", "n": 2, "sampling": {"temperature": 1.0, "max_tokens": 8}}},
    {"verify": {"of": "rollout"}},
    "difficulty",
    {"release": {"rl": {"of": "sample"}, "allow_empty": ["rl"]}},
]
JUMPS = (timedelta(days=366), timedelta(days=-1), timedelta(0), timedelta(days=-366), timedelta(days=1))

WALL_CLOCK = {
    "generators/engines/openai/errors.py": "a date to come back at, of a server that does not tell its own",
    "pipelines/store/journal_lines.py": "`created_at`: of two answers to one key the first counts, for ever",
}
"""Who asks for the time, and what for."""


class Jumping(datetime):
    """A clock that jumps whenever it is looked at."""

    jumps: Iterator[timedelta] = itertools.cycle(JUMPS)

    @classmethod
    def now(cls, tz: Any = None) -> "Jumping":
        return cls.fromtimestamp(time.time() + next(cls.jumps).total_seconds(), tz)


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    real, jumps = time.time, itertools.cycle(JUMPS)
    monkeypatch.setattr(journal_lines, "datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps).total_seconds())


def says(request: Request, index: int) -> str:
    return f"\\boxed{{{len(question_of(request)) + index}}}"


def job(folder: Path, out: str, rows: int = 6) -> Job:
    models = {"m": {"model": MODEL.model, "engine": "transformers"}}
    recipe = write_recipe(folder / f"of-{rows}", STEPS, sums(rows), models=models, driver={"workers": 1})
    return open_job(compile_recipe(str(recipe)), folder / out)


def built(folder: Path, out: str, rows: int = 6) -> dict[str, str]:
    job(folder, out, rows).run()
    return digests(folder / out / "releases")


def touch_all(root: Path, seconds: float) -> None:
    """Give every file and folder the times of another year."""
    for path in root.rglob("*"):
        found = path.lstat()
        os.utime(path, (found.st_atime + seconds, found.st_mtime + seconds), follow_symlinks=False)


@pytest.mark.usefixtures("jumping")
def test_a_build_on_a_jumping_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(says).install(monkeypatch)
    first = built(tmp_path, "out")
    asked = len(engine.asked)
    times = CompletionsLog(tmp_path / "out" / "log" / "completions").scan().collect()["created_at"]
    assert times.max() - times.min() > timedelta(days=300), "the clock did jump"  # type: ignore[operator]
    for seconds in (-366 * 86_400.0, 2 * 366 * 86_400.0):
        touch_all(tmp_path / "out", seconds)
        collect_garbage(Workspace(tmp_path / "out"))
        again = open_job(compile_recipe(str(tmp_path / "of-6" / "recipe.yaml")), tmp_path / "out")
        assert again.up_to_date()
        assert digests(tmp_path / "out" / "releases") == first
    built(tmp_path, "out", rows=9)
    assert len(engine.asked) == asked + 6, "the three new sums, twice each"
    built(tmp_path, "other", rows=9)
    more, other = (tmp_path / out / "releases" / "tiny" for out in ("out", "other"))
    assert [p.name for p in sorted(more.glob("v*"))] == ["v1", "v2"]
    found, wanted = (digests(path) for path in (more / "v2", other / "v1"))
    tables = [name for name in wanted if name.endswith(".parquet")]
    assert {name: found[name] for name in tables} == {name: wanted[name] for name in tables}


def test_who_asks_for_the_time() -> None:
    """Waits and leases are measured by `time.monotonic`, which does not jump. A new place needs a reason, here."""
    root = Path(pipelines.__file__).parents[1]
    rooms = ("flows", "pipelines", "generators", "filters", "schemas")
    wall = re.compile(
        r"time\.(?:time|time_ns|localtime|gmtime|strftime)\(|datetime\.(?:now|utcnow|today)\(|date\.today\("
    )
    found = {
        path.relative_to(root).as_posix()
        for room in rooms
        for path in (root / room).rglob("*.py")
        if wall.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(WALL_CLOCK)
