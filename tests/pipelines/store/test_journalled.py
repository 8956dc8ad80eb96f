"""A full journal becomes a part while the next one is filled; nothing is lost, whatever comes in between."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from some_answers import IDENTITY, answer

from pipelines.store import journalled
from pipelines.store.completions import CompletionsLog
from pipelines.store.log_writer import LogWriter
from schemas.errors import StoreError

Wait = Callable[[], None]


class Gate:
    """Holds the thread that makes parts until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, full: int = 10, most: int = 40) -> None:
        self.open, self.waits = threading.Event(), threading.Event()
        self.fails = 0
        real = journalled.to_part

        def to_part(journal: Any, log: Any) -> int:
            if threading.current_thread() is not threading.main_thread():
                self.waits.set()
                assert self.open.wait(60)
                if self.fails:
                    self.fails -= 1
                    raise StoreError("the disk is full")
            return real(journal, log)

        monkeypatch.setattr(journalled, "to_part", to_part)
        monkeypatch.setattr(journalled, "FLUSH_ROWS", full)
        monkeypatch.setattr(journalled, "MOST_ROWS", most)


def write(writer: LogWriter, *numbers: int) -> None:
    for number in numbers:
        writer.append(*answer(number))


def logged(root: Path) -> list[str]:
    return sorted(CompletionsLog(root).scan().collect()["text"].to_list())


def texts(number: int) -> list[str]:
    return sorted(f"answer {i}" for i in range(number))


def journals(root: Path) -> list[int]:
    """The lines of each journal."""
    return sorted(path.read_bytes().count(b"\n") for path in root.glob("journal-*"))


def test_answers_are_taken_while_a_part_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with CompletionsLog(tmp_path).writer(IDENTITY) as writer:
        write(writer, *range(10))
        assert gate.waits.wait(60)
        write(writer, *range(10, 25))  # would never return if it waited for the part
        assert journals(tmp_path) == [10, 15], "kill -9 would lose none of them"
        assert logged(tmp_path) == []
        gate.open.set()
    assert logged(tmp_path) == texts(25)
    assert journals(tmp_path) == []


def test_what_comes_faster_than_the_disk_takes_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, full=10, most=30)
    with CompletionsLog(tmp_path).writer(IDENTITY) as writer:
        write(writer, *range(10))
        assert gate.waits.wait(60)
        write(writer, *range(10, 39))
        late = threading.Timer(0.2, gate.open.set)
        late.start()
        write(writer, 39)  # the thirtieth row of the second journal
        assert gate.open.is_set()
    assert logged(tmp_path) == texts(40)


def test_a_part_that_failed_is_told_and_its_rows_are_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    gate.fails = 1
    gate.open.set()
    with pytest.raises(StoreError, match="the disk is full"), CompletionsLog(tmp_path).writer(IDENTITY) as writer:
        write(writer, *range(25))
    CompletionsLog(tmp_path).heal()
    log = logged(tmp_path)
    assert len(log) == len(set(log)) >= 20, "what was journalled before it was told"
    assert journals(tmp_path) == []


def test_a_journal_that_cannot_be_followed_by_another_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gate(monkeypatch).open.set()
    with pytest.raises(StoreError, match="too many"), CompletionsLog(tmp_path).writer(IDENTITY) as writer:
        write(writer, *range(9))

        def full(folder: Path) -> None:
            raise StoreError("too many files open")

        with monkeypatch.context() as patch:
            patch.setattr(journalled.Journal, "new", full)
            write(writer, 9)
    CompletionsLog(tmp_path).heal()
    assert logged(tmp_path) == texts(10)


CHILD = """
import os, sys, threading
from pathlib import Path
sys.path.append(sys.argv[2])
from some_answers import IDENTITY, answer
from pipelines.store import journalled
from pipelines.store.completions import CompletionsLog

journalled.FLUSH_ROWS, real, where, waits = 10, journalled.to_part, sys.argv[3], threading.Event()

def to_part(journal, log):
    if where == "after":
        real(journal, log)
    waits.set()
    threading.Event().wait()

journalled.to_part = to_part
with CompletionsLog(Path(sys.argv[1])).writer(IDENTITY) as writer:
    for number in range(10):
        writer.append(*answer(number))
    assert waits.wait(60)
    for number in range(10, 17):
        writer.append(*answer(number))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_kill_while_a_part_is_written_loses_nothing(tmp_path: Path, where: str) -> None:
    """Before it is there, and between its writing and the end of its journal."""
    support = str(Path(__file__).parents[2] / "support")
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), support, where], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert journals(tmp_path) == [7, 10]
    CompletionsLog(tmp_path).heal()
    assert logged(tmp_path) == texts(17), "each once"
    assert journals(tmp_path) == []
