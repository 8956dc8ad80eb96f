"""A journal is taken over only where its owner is dead, also where every lock is granted."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from some_answers import IDENTITY, a_line, answer

from pipelines.store import journal as journals
from pipelines.store.completions import CompletionsLog
from pipelines.store.journal import Journal
from pipelines.store.owner import BEAT, LEASE, Owner, me, owner_in
from schemas.errors import StoreError

WRITER = """
import sys
from pathlib import Path
from pipelines.store.journal import Journal
journal = Journal.new(Path(sys.argv[1]))
journal.append(bytes.fromhex(sys.argv[2]))
print(journal.path.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locks_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals.fcntl, "flock", lambda file, how: None)


def until(met: Callable[[], bool]) -> None:
    for _ in range(3000):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def texts(root: Path) -> list[str]:
    return sorted(CompletionsLog(root).scan().collect()["text"])


def test_an_owner_is_told_from_all_others() -> None:
    mine = me()
    assert mine.lives()
    assert owner_in(f"journal-{mine}-0123abcd.jsonl") == mine
    assert not mine._replace(start="0" * 8).lives(), "its number was given to another process"
    assert mine._replace(start="unknown").lives()
    assert not mine._replace(pid=2**22 + 5).lives()
    assert mine._replace(host="elsewhere").lives() is None
    for name in ("journal-1-x.jsonl", "journal-0123abcd.jsonl", "journal.jsonl"):
        assert owner_in(name) is None


@pytest.mark.usefixtures("locks_lie")
def test_a_living_writer_keeps_its_journal_where_locks_lie(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), a_line(1).hex()]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    with CompletionsLog(tmp_path).writer(IDENTITY) as mine:
        mine.append(*answer(2))
        CompletionsLog(tmp_path).heal()
        assert len(list(tmp_path.glob("journal-*"))) == 2 and not texts(tmp_path)
    owner = owner_in(name)
    assert owner is not None and owner.lives()
    child.send_signal(signal.SIGKILL)
    until(lambda: not owner.lives())  # before anybody waits for it: a zombie is dead
    assert (tmp_path / name).exists()
    CompletionsLog(tmp_path).heal()
    child.communicate()
    assert not list(tmp_path.glob("journal-*"))
    assert texts(tmp_path) == ["answer 1", "answer 2"]


def of_another_host(root: Path) -> Path:
    path = root / f"journal-{Owner('elsewhere', 1, '0' * 8)}-0123abcd.jsonl"
    path.write_bytes(a_line(1))
    return path


@pytest.mark.parametrize("lives", [True, False])
def test_a_journal_that_the_clock_calls_old_is_watched_for_two_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    """A clock that jumped ahead makes every journal old; a living owner touches his meanwhile."""
    path, slept = of_another_host(tmp_path), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if lives and sum(slept) == BEAT:
            os.utime(path)

    os.utime(path, (time.time() - 86_400 * 365,) * 2)
    monkeypatch.setattr(journals.time, "sleep", sleep)
    monkeypatch.setattr(journals.time, "monotonic", lambda: float(sum(slept)))
    CompletionsLog(tmp_path).heal()
    assert path.exists() == lives
    assert sum(slept) == (BEAT if lives else 2 * BEAT)
    assert texts(tmp_path) == ([] if lives else ["answer 1"])


@pytest.mark.parametrize("skew", [0, 10**6, -10])
@pytest.mark.parametrize("lives", [True, False])
def test_a_young_journal_of_another_host_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool, skew: int
) -> None:
    """Its clock may go ahead: then nothing but watching tells."""
    path, slept = of_another_host(tmp_path), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if lives and len(slept) == 3:
            os.utime(path)

    os.utime(path, (time.time() + skew,) * 2)
    monkeypatch.setattr(journals.time, "sleep", sleep)
    monkeypatch.setattr(journals.time, "monotonic", lambda: float(sum(slept)))
    CompletionsLog(tmp_path).heal()
    assert path.exists() == lives
    assert len(slept) == 3 if lives else LEASE - 10 <= sum(slept) <= LEASE
    assert texts(tmp_path) == ([] if lives else ["answer 1"])
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_lines_reach_the_disk_within_a_second_and_their_name_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, named, touched = list[int](), list[Path](), list[int]()
    assert journals.SYNC_SECONDS <= 1
    monkeypatch.setattr(journals, "SYNC_SECONDS", 0.001)
    monkeypatch.setattr(journals, "BEAT", 0.01)
    monkeypatch.setattr(journals.os, "fdatasync", synced.append)
    monkeypatch.setattr(journals, "sync_folder", named.append)
    monkeypatch.setattr(journals.os, "utime", touched.append)
    journal = Journal.new(tmp_path)
    until(lambda: len(touched) > 1)
    assert not synced, "there is nothing to sync"
    journal.append(a_line(1))
    until(lambda: len(synced) == 1 and len(named) == 1)
    journal.append(a_line(2))
    until(lambda: len(synced) == 2)
    journal.remove()
    assert named == [tmp_path]


def test_a_disk_that_fails_to_take_lines_is_told_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(journals, "SYNC_SECONDS", 0.001)
    monkeypatch.setattr(journals.os, "fdatasync", fail)
    journal = Journal.new(tmp_path)
    journal.append(a_line(1))
    until(lambda: journal._failed is not None)
    for told in (lambda: journal.append(a_line(2)), journal.remove):
        with pytest.raises(StoreError, match="its disk reports an error"):
            told()


def test_a_disk_that_fails_to_take_the_last_lines_is_told_and_they_are_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(journals, "SYNC_SECONDS", 0.001)
    monkeypatch.setattr(journals, "_sync", fail)
    with (
        pytest.raises(StoreError, match="its disk reports an error"),
        CompletionsLog(tmp_path).writer(IDENTITY) as mine,
    ):
        mine.append(*answer(1))
        journal = mine._answers.journal
        until(lambda: journal is not None and journal._failed is not None)
    assert texts(tmp_path) == ["answer 1"]
    assert not list(tmp_path.glob("journal-*"))


def test_two_machines_of_one_name_are_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pipelines.store import owner

    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    here = str(me())
    gone = here.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-")
    assert owner.is_dead(gone)
    monkeypatch.setattr(owner, "_MACHINE", tmp_path / "machine-id")
    owner.this_host.cache_clear()
    try:
        assert me().host != here.partition("-")[0]
        assert not owner.is_dead(gone)  # it may live there
    finally:
        owner.this_host.cache_clear()


def test_a_name_of_a_host_with_any_characters_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.store import owner

    monkeypatch.setattr(socket, "gethostname", lambda: "größe-1.example.org")
    owner.this_host.cache_clear()
    try:
        assert owner_in(f"journal-{me()}-0123abcd.jsonl") == me()
        assert me().lives()
    finally:
        owner.this_host.cache_clear()
