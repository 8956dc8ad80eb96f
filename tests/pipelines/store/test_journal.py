"""A journal is never lost: not to a healer that comes between its making and its lock, not to another healer."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from some_answers import IDENTITY, a_line, answer

from pipelines.store import journal as journals
from pipelines.store import journalled
from pipelines.store.completions import CompletionsLog
from pipelines.store.journal import Journal, dead_journals
from pipelines.store.journal_lines import read_lines, sealed
from pipelines.store.journalled import Rows
from pipelines.store.workspace import Workspace
from schemas.completion import Completion, completion_fault
from schemas.errors import StoreError

HEALER = """
import sys
from pathlib import Path
from pipelines.store.completions import WANTED, CompletionsLog, wanted_rows

log, stop = CompletionsLog(Path(sys.argv[1])), Path(sys.argv[2])
Path(sys.argv[3]).touch()
while not stop.exists():
    log.heal()
"""


@contextmanager
def healers(number: int, root: Path) -> Iterator[None]:
    """Processes that heal `root` again and again; fails where one ends with a traceback."""
    stop, ready = root.with_name("stop"), [root.with_name(f"ready-{i}") for i in range(number)]
    command = [sys.executable, "-c", HEALER, str(root), str(stop)]
    running = [subprocess.Popen([*command, str(r)], stderr=subprocess.PIPE, text=True) for r in ready]
    try:
        while not all(r.exists() for r in ready):
            assert all(p.poll() is None for p in running)
        yield
    finally:
        stop.touch()
        said = [p.communicate(timeout=120)[1] for p in running]
    assert [(p.returncode, s) for p, s in zip(running, said, strict=True)] == [(0, "")] * number


def lost(root: Path, opens: int) -> int:
    """Open `opens` journals with an answer each while two healers loop; every 20th writer dies and leaves its own."""
    root.mkdir()
    line, unseen, left = a_line(0), 0, set()
    with healers(2, root):
        for number in range(opens):
            journal = Journal.new(root)
            dies = number % 20 == 0
            journal.append(a_line(number) if dies else line)
            unseen += not journal.path.exists() or not journal.read().endswith(b"\n")
            if dies:
                left.add(f"answer {number}")
                journal.give_up()
            else:
                journal.remove()
    CompletionsLog(root).heal()
    return unseen + len(left - set(CompletionsLog(root).scan().collect()["text"]))


def test_no_answer_is_lost_while_others_heal(tmp_path: Path) -> None:
    assert lost(tmp_path / "log", 4000) == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_answer_is_lost_in_a_hundred_thousand_openings(tmp_path: Path) -> None:
    assert lost(tmp_path / "log", 100_000) == 0


def heal_at_once(root: Path, number: int) -> None:
    """Three healers on the journals of dead writers, all at once."""
    root.mkdir()
    for i in range(number):
        (root / f"journal-{i:03d}-x.jsonl").write_bytes(b"".join(a_line(100 * i + j) for j in range(30)))
    with healers(3, root):
        while any(root.glob("journal-*")):
            pass
    assert CompletionsLog(root).scan().collect()["text"].n_unique() == 30 * number


def test_three_healers_share_the_journals_of_the_dead(tmp_path: Path) -> None:
    heal_at_once(tmp_path / "log", 60)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("round_", range(6))
def test_three_healers_share_the_journals_of_the_dead_again(tmp_path: Path, round_: int) -> None:
    heal_at_once(tmp_path / "log", 60)


def test_a_healer_between_making_and_lock_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, first = fcntl.flock, [True]

    def late(file: Any, how: int) -> None:
        if first.pop() if first else False:
            CompletionsLog(tmp_path).heal()
        real(file, how)

    monkeypatch.setattr(journals.fcntl, "flock", late)
    log = CompletionsLog(tmp_path)
    with log.writer(IDENTITY) as writer:
        writer.append(*answer(1))
        assert sum(p.read_bytes().count(b"\n") for p in tmp_path.glob("journal-*")) == 1
    assert log.scan().collect()["text"].to_list() == ["answer 1"]


def test_a_healer_that_comes_second_sees_that_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first heals and removes the journal between the second's opening and its lock."""
    (tmp_path / "journal-1-x.jsonl").write_bytes(a_line(1))
    real, first = fcntl.flock, [True]

    def overtaken(file: Any, how: int) -> None:
        if first.pop() if first else False:
            CompletionsLog(tmp_path).heal()
        real(file, how)

    monkeypatch.setattr(journals.fcntl, "flock", overtaken)
    assert not list(dead_journals(tmp_path))
    assert CompletionsLog(tmp_path).scan().collect()["text"].to_list() == ["answer 1"]


def test_a_journal_whose_name_was_taken_away_is_flushed_all_the_same(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path)
    with log.writer(IDENTITY) as writer:
        writer.append(*answer(1))
        next(tmp_path.glob("journal-*")).unlink()
    assert log.scan().collect()["text"].to_list() == ["answer 1"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(file: Any, how: int) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "journal-1-x.jsonl").write_bytes(a_line(1))
    monkeypatch.setattr(journals.fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"grants no locks.*put the workspace on another"):
        CompletionsLog(tmp_path).writer(IDENTITY).__enter__()
    with pytest.raises(StoreError, match="grants no locks"):
        CompletionsLog(tmp_path).heal()
    assert [p.name for p in tmp_path.iterdir()] == ["journal-1-x.jsonl"]


def test_a_build_on_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Any, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    workspace = Workspace(tmp_path)
    workspace.prepare("r")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"grants no locks"), workspace.lock("r"):
        pass


def test_too_many_open_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(journals.os, "open", full)
    with pytest.raises(StoreError, match="too many files open"):
        CompletionsLog(tmp_path).writer(IDENTITY).__enter__()


ODD = [
    a_line(7)[17:],
    a_line(7).replace(b"answer", b"Answer"),
    a_line(7).replace(b" ", b"  ", 1),
    b"\n",
    *(sealed(said) for said in (b"5", b"null", b"[]", b"{}", b"not JSON", b"\xff\xfe", b"[" * 100_000, b"")),
    *(
        sealed(json.dumps({**json.loads(a_line(7)[17:]), name: value}).encode())
        for name, value in [
            ("text", [{"type": "text", "text": "4"}]),
            ("text", None),
            ("text", {"a": 1}),
            ("index", "0"),
            ("index", 2**40),
            ("index", True),
            ("prompt_tokens", 1.5),
            ("logprobs", ["x"]),
            ("logprobs", [True]),
            ("logprobs", [10**400]),
            ("text", "half \ud83d"),
            ("reasoning", "\udfff"),
            ("key", "\ud800"),
            ("created_at", "0001-01-01T00:00:00+23:59"),
            ("created_at", "9999-12-31T23:59:59-23:59"),
            ("finish_reason", "tool_calls"),
            ("finish_reason", "error"),
            ("error", "refused"),
            ("reasoning", 3),
            ("created_at", "yesterday"),
            ("created_at", "2026-01-01T00:00:00"),
            ("key", None),
        ]
    ),
]


@pytest.mark.parametrize("odd", ODD, ids=[f"odd-{number}" for number in range(len(ODD))])
def test_an_odd_line_costs_itself_only(tmp_path: Path, odd: bytes, caplog: pytest.LogCaptureFixture) -> None:
    log = CompletionsLog(tmp_path)
    (tmp_path / "journal-1-x.jsonl").write_bytes(a_line(1) + odd + a_line(2) + a_line(3)[:40])
    assert log.heal() == 1
    assert log.scan().collect()["text"].sort().to_list() == ["answer 1", "answer 2"]
    (aside,) = tmp_path.glob("aside-*.jsonl")
    assert aside.read_bytes() == odd
    assert aside.name in caplog.text
    assert log.heal() == 0
    assert not list(tmp_path.glob("journal-*"))


def test_a_line_that_did_not_fit_spoils_no_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a line, and a moment later it is not."""
    real, room = os.write, [30, 0]

    def full(descriptor: int, data: bytes) -> int:
        if not room:
            return real(descriptor, data)
        if left := room.pop(0):
            return real(descriptor, data[:left])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = CompletionsLog(tmp_path)
    with log.writer(IDENTITY) as writer:
        writer.append(*answer(1))
        monkeypatch.setattr(journals.os, "write", full)
        with pytest.raises(StoreError, match="the disk is full"):
            writer.append(*answer(2))
        writer.append(*answer(3))
    assert log.scan().collect()["text"].sort().to_list() == ["answer 1", "answer 3"]


@pytest.mark.parametrize("failing", ["answers", "failures", "both"])
def test_a_part_that_cannot_be_written_leaves_its_rows_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Also to the next in this process: a step that is tried again."""
    real = journalled.write_part

    def full(table: pl.DataFrame, log: Rows) -> list[Path]:
        if failing in ("both", "failures" if log.files.folder.name == "failures" else "answers"):
            raise StoreError("the disk is full")
        return real(table, log)

    log = CompletionsLog(tmp_path / "log")
    request, prompt, answers = answer(1)
    with monkeypatch.context() as patch:
        patch.setattr(journalled, "write_part", full)
        with pytest.raises(StoreError), log.writer(IDENTITY) as writer:
            writer.append(request, prompt, answers)
            writer.unanswered(prompt, [1], "nobody was there")
    assert log.heal() == 0
    assert log.scan().collect()["text"].to_list() == ["answer 1"]
    assert log.failures.scan().collect()["error"].to_list() == ["nobody was there"]


@given(st.integers(0, 3), st.integers(0, 500), st.binary(max_size=30).filter(lambda tail: b"\n" not in tail))
@settings(max_examples=200)
def test_a_journal_cut_anywhere_gives_its_whole_lines(number: int, cut: int, tail: bytes) -> None:
    whole = b"".join(a_line(i) for i in range(number))
    torn = a_line(number)
    lines = read_lines(whole + torn[: min(cut, len(torn) - 2)] + tail, completion_fault)
    assert [row["text"] for row in lines.rows] == [f"answer {i}" for i in range(number)]
    assert not lines.odd


@pytest.mark.parametrize("tail", [b"", b"\0" * 50, b'{"key": "x', b"\xff"])
def test_a_torn_end_is_nobodys(tail: bytes) -> None:
    lines = read_lines(a_line(1) + tail, completion_fault)
    assert (len(lines.rows), lines.odd) == (1, [])


@pytest.mark.parametrize(
    "odd",
    [
        Completion(0, [{"type": "text", "text": "4"}], "stop"),  # type: ignore[arg-type]
        Completion(0, None, "stop"),  # type: ignore[arg-type]
        Completion(0, "4", "tool_calls"),  # type: ignore[arg-type]
        Completion(0, "4", "stop", prompt_tokens=2**31),
        Completion(0, "4", "stop", reasoning={"text": "4"}),  # type: ignore[arg-type]
    ],
)
def test_what_the_log_cannot_hold_is_said_when_it_is_written(tmp_path: Path, odd: Completion) -> None:
    log = CompletionsLog(tmp_path)
    with log.writer(IDENTITY) as writer:
        request, prompt, (fine,) = answer(1)
        said = writer.append(request, prompt, [odd, Completion(1, "fine", "stop")])
    assert [c.finish_reason for c in said] == ["error", "stop"]
    assert str(said[0].error).startswith("the reply is not one that the log can hold: '")
    assert log.scan().collect()["text"].to_list() == ["fine"]
    assert log.failures.scan().collect().select("index", "kind", "error").rows() == [(0, "refused", said[0].error)]
    assert fine.text == "answer 1"
