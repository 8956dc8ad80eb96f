"""A place is held by one process at a time, also where the file system grants every lock."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest

from pipelines.store import holding as holdings
from pipelines.store.claims import Claims
from pipelines.store.holding import HeldError, holding
from pipelines.store.memory import Memory
from pipelines.store.owner import LEASE, Owner
from pipelines.store.scratch import scratch
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

LIES = """
import fcntl, sys, time
from pathlib import Path
fcntl.flock = lambda file, how: None
folder = Path(sys.argv[1])
"""
BUILDS = """
from pipelines.store.workspace import Workspace
with Workspace(folder).lock("r"):
    print("holds", flush=True)
    sys.stdin.read()
"""
CLAIMS = """
import polars as pl
from pipelines.store.claims import Claims
from pipelines.store.memory import Memory

def find():
    pl.DataFrame({"id": ["a"], "prompt_key": ["a"], "indexes": [[0]]}).write_parquet(folder / "his.parquet")
    return 1

with Claims(folder / "log", Memory()).claim(folder / "his.parquet", find) as claimed:
    print("holds" if claimed.ours else "none", flush=True)
    sys.stdin.read()
"""
SCRATCH = """
from pipelines.store.scratch import scratch
with scratch(folder) as own:
    print("holds", flush=True)
    sys.stdin.read()
"""
COUNTS = """
from pipelines.store.holding import holding
for _ in range(10):
    with holding(folder / ".lock", wait=True):
        before = int((folder / "count").read_text())
        time.sleep(0.001)
        (folder / "count").write_text(str(before + 1))
"""
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def started(tmp_path: Path) -> "Start":
    """Starts a process that holds something below the folder, on a file system whose locks lie."""

    def start(script: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", LIES + script, str(tmp_path)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "holds\n"
        return child

    return start


@pytest.fixture
def locks_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings.fcntl, "flock", lambda file, how: None)


def kill(child: "subprocess.Popen[str]") -> None:
    child.kill()
    child.communicate()


@pytest.mark.usefixtures("locks_lie")
def test_two_builds_and_gc_keep_each_other_out_where_locks_lie(tmp_path: Path, started: Start) -> None:
    space = Workspace(tmp_path)
    for name in ("r", "other"):
        space.prepare(name)
    child = started(BUILDS)
    with pytest.raises(ConfigError, match=rf"Another build of 'r' .* It is process {child.pid} of"), space.lock("r"):
        pass
    with pytest.raises(ConfigError, match=rf"A build is running .* It is process {child.pid} of"), space.alone():
        pass
    with space.lock("other"), pytest.raises(ConfigError, match="Another build of 'other'"), space.lock("other"):
        pass
    kill(child)
    with space.lock("r"), space.lock("other"), pytest.raises(ConfigError, match="A build is running"), space.alone():
        pass
    with space.alone(), pytest.raises(ConfigError, match="gc` is running"), space.lock("r"):
        pass
    assert not list(tmp_path.rglob(".lock-*")), "that of the dead is gone too"


@pytest.mark.usefixtures("locks_lie")
def test_a_claim_counts_where_locks_lie(tmp_path: Path, started: Start) -> None:
    own, log = tmp_path / "own.parquet", Claims(tmp_path / "log", Memory())

    def find() -> int:
        pl.DataFrame({"id": ["a", "b"], "prompt_key": ["a", "b"], "indexes": [[0], [0]]}).write_parquet(own)
        return 2

    child = started(CLAIMS)
    with log.claim(own, find) as mine, log.claim(tmp_path / "own.parquet", find) as none:
        assert (mine.ours, mine.elsewhere, none.ours, none.elsewhere) == (1, 1, 0, 2)
    kill(child)
    with log.claim(own, find) as mine:
        assert (mine.ours, mine.elsewhere) == (2, 0)


@pytest.mark.usefixtures("locks_lie")
def test_scratch_of_the_living_stays_where_locks_lie(tmp_path: Path, started: Start) -> None:
    child = started(SCRATCH)
    with scratch(tmp_path) as one, scratch(tmp_path) as two:
        assert len({one, two, *tmp_path.glob(".scratch/*")}) == 3
    kill(child)
    with scratch(tmp_path) as one:
        assert [*tmp_path.glob(".scratch/*")] == [one]


def test_one_after_the_other_goes_through_a_door_where_locks_lie(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    crowd = [subprocess.Popen([sys.executable, "-c", LIES + COUNTS, str(tmp_path)]) for _ in range(3)]
    assert [one.wait() for one in crowd] == [0] * 3
    assert (tmp_path / "count").read_text() == "30"


def of_another_host(lock: Path) -> Path:
    mark = lock.with_name(f".lock-{Owner('node7_0123abcd', 12, '0' * 8)}-0123abcd.alone")
    mark.touch()
    return mark


@pytest.mark.parametrize("lives", [True, False])
def test_a_holder_of_another_host_is_named_while_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    mark, slept = of_another_host(tmp_path / ".lock"), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if lives and len(slept) == 3:
            os.utime(mark)

    os.utime(mark, (time.time() - 10,) * 2)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: float(sum(slept)))
    with ExitStack() as stack:
        if lives:
            with pytest.raises(HeldError, match=rf"process 12 of node7, which touched {mark}"):
                stack.enter_context(holding(tmp_path / ".lock"))
        else:
            stack.enter_context(holding(tmp_path / ".lock"))
            assert LEASE - 11 <= sum(slept) <= LEASE
    assert [p.name for p in tmp_path.glob(".lock-*")] == ([mark.name] if lives else [])


def test_whoever_died_within_this_process_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a test plays a kill: what should have removed the mark did not run."""
    with monkeypatch.context() as patch, holding(tmp_path / ".lock"):
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
    patch.undo()
    assert len(list(tmp_path.glob(".lock-*"))) == 1
    with holding(tmp_path / ".lock"):
        assert len(list(tmp_path.glob(".lock-*"))) == 1


@pytest.mark.usefixtures("locks_lie")
def test_those_who_share_keep_out_none_of_their_own(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with holding(lock, shared=True), holding(lock, shared=True), pytest.raises(HeldError), holding(lock):
        pass
    with holding(lock), pytest.raises(HeldError), holding(lock, shared=True):
        pass
