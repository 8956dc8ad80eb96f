"""Builds and plans over a log that was damaged, or left in journals: what is whole is not paid again, what is not is asked
again, and what is released is the same to the byte."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from chat_server import refusal
from served_build import Server, built, job
from tiny import release

from pipelines.plan import make_plan
from pipelines.store import part_folder
from pipelines.store.completions import CompletionsLog
from pipelines.store.journal_lines import to_line
from pipelines.store.journalled_log import JournalledLog
from pipelines.store.prompts import PromptsLog

STEPS = "  - release: {trainer: null, rl: {of: sample}}\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with Server() as made:
        yield made


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def forget(folder: Path) -> None:
    """All but the log."""
    for name in ("builds", "releases"):
        shutil.rmtree(folder / "out" / name)


def to_journals(*logs: JournalledLog) -> None:
    """What parts hold, as if the process that wrote it had been killed before they were made."""
    for log in logs:
        rows = log.scan().with_columns(pl.col("created_at").dt.to_string("iso:strict")).collect()
        for path in log.files.parts():
            path.unlink()
        (log.folder / "journal-0.jsonl").write_bytes(b"".join(map(to_line, rows.iter_rows(named=True))))


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    part_folder._PROOFS.clear()  # as in a process of its own


def damage_and_build(folder: Path, server: Server, log: str, journals: bool, flips: int) -> None:
    first = built(folder, server, steps=STEPS)
    whole, asked = bytes_of(release(first)), server.asked
    files = {"completions": CompletionsLog, "prompts": PromptsLog}[log](folder / "out" / "log" / log)
    chance, again = random.Random(f"{log} {journals}"), 0
    for _ in range(flips):
        if journals:
            to_journals(files)
        [path] = files.folder.glob("journal-*" if journals else "part-*")
        flip(path, chance)
        forget(folder)
        before = len(list(files.folder.glob("aside-*")))
        second = built(folder, server, steps=STEPS)
        assert bytes_of(release(second)) == whole
        assert server.asked == asked or log == "completions"
        assert server.asked == asked or journals or len(list(files.folder.glob("aside-*"))) == before + 1
        again, asked = again + server.asked - asked, server.asked
        files.join_parts(1 << 20)
    assert again or log == "prompts"


@pytest.mark.parametrize("journals", [False, True], ids=["part", "journal"])
@pytest.mark.parametrize("log", ["completions", "prompts"])
def test_a_build_over_a_damaged_log_releases_the_same(tmp_path: Path, server: Server, log: str, journals: bool) -> None:
    damage_and_build(tmp_path, server, log, journals, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("journals", [False, True], ids=["part", "journal"])
def test_builds_over_a_damaged_log_release_the_same(tmp_path: Path, server: Server, journals: bool) -> None:
    damage_and_build(tmp_path, server, "completions", journals, 25)


def test_a_plan_counts_what_journals_hold(tmp_path: Path, server: Server) -> None:
    """Answers and final refusals alike; a line that was damaged counts as missing."""
    server.odd = refusal(400, "the context is too long")
    final = ("driver.error_attempts=1",)
    built(tmp_path, server, *final)
    shutil.rmtree(tmp_path / "out" / "builds" / "r" / "rollout")

    def planned() -> int:
        return sum(cost.samples or 0 for step in make_plan(job(tmp_path, server, *final)) for cost in step.costs)

    assert planned() == 0
    log = CompletionsLog(tmp_path / "out" / "log" / "completions")
    to_journals(log, log.failures)
    assert planned() == 0
    journals = [folder / "journal-0.jsonl" for folder in (log.folder, log.failures.folder)]
    assert all(path.exists() for path in journals), "a plan only looks"
    for number, path in enumerate(journals):
        path.write_bytes(path.read_bytes().replace(b'"key": "', b'"key": "0', 1))
        assert planned() == number + 1
