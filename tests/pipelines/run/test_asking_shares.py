"""One model asked by several processes: the same rows as by one, each prompt once, whatever happens to a process."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import Answer, Asked, ChatServer, completion
from recipe_build import opened, sums, write_recipe

from generators.engines import select
from pipelines.job import Job
from pipelines.run import asking_shares
from pipelines.run.asked import Asked as Wanted
from pipelines.run.asking_shares import shares
from pipelines.run.receipt import Receipt
from pipelines.store.claims import Claims
from pipelines.store.memory import Memory
from pipelines.store.workspace import write_table
from schemas.completion import Message, Request, Sampling
from schemas.engine import ModelConfig
from schemas.errors import FatalEngineError

STEPS = [
    {"rollout": {"model": "m", "n": 2, "sampling": {"temperature": 1.0, "max_tokens": 64}}},
    {
        "judge": {
            "of": "rollout",
            "model": "m",
            "prompt": "{{ parent.answer }} in {{ final }}?",
            "reply": {"choice": ["4", "no"]},
        }
    },
]


RATE = 40.0


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_shares, "ENOUGH", 8)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as found:
        yield found


def job(
    folder: Path, server: ChatServer, processes: int, workspace: str, limits: dict[str, Any] | None = None, **how: Any
) -> Job:
    rows = sums(24) + sums(4)  # the second time they are the same question, and so one sample
    models = {"m": {"model": "m", "engine": "openai", "base_urls": [server.url], "concurrency": 5, **(limits or {})}}
    driver = {"processes": processes, "workers": 1, "max_retries": 0, "backoff_s": 0.0}
    recipe = write_recipe(folder / f"recipe-{workspace}", STEPS, rows, models=models, driver=driver)
    return opened(recipe, folder / workspace, buckets=4, **how)


def prompts(server: ChatServer) -> list[str]:
    return sorted(json.dumps([call["messages"], call.get("seed")]) for call in server.calls)


def rows(found: Job) -> list[list[Any]]:
    return [found.rows(unit).drop("made_by").rows() for unit in ("sample", "rollout")]


def test_two_processes_ask_what_one_does_once(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = job(tmp_path, server, 1, "one")
    alone.run()
    expected, asked = rows(alone), prompts(server)
    server.calls.clear()
    noted: dict[str, Receipt] = {}
    came: list[float] = []
    server.answer = lambda body: (came.append(time.monotonic()), completion(body))[1]
    both = job(tmp_path, server, 2, "two", {"requests_per_second": RATE}, progress=noted.__setitem__)
    with monkeypatch.context() as patch:
        patch.setattr(select, "make_engine", None)  # of this process
        both.run()
    assert rows(both) == expected
    assert prompts(server) == asked
    asked_first = sorted(came)[: len(came) // 2]  # of one step
    assert asked_first[-1] - asked_first[0] >= 0.8 * (len(asked_first) - 2) / RATE, "the limit is that of both together"
    assert len({call["authorization"] for call in server.calls}) == 1
    assert noted["rollout"].samples == 48
    server.calls.clear()
    both.run()
    assert not server.calls


def test_shares_are_of_all_buckets_and_of_each_prompt_once(tmp_path: Path) -> None:
    def wanted(texts: str) -> Wanted:
        found = Wanted(tmp_path)
        found.add(((Request(t, (Message("user", (t,)),), Sampling()), t) for t in texts), 0)
        return found

    asked = {0: wanted("abc"), 1: wanted("bcd"), 2: wanted("aef")}
    write_table(pl.DataFrame({"prompt_key": list("abcdf")}), missing := tmp_path / "missing.parquet")
    config = ModelConfig(
        model="m", engine="openai", base_urls=("http://127.0.0.1:1/v1",), concurrency=5, requests_per_second=10
    )
    first, second = shares("m", 0, asked, missing, tmp_path, config, 2)
    assert (list(first.asked), list(second.asked)) == ([0, 2], [1])
    assert (first.limits, second.limits) == (
        {"concurrency": 3, "requests_per_second": 5},
        {"concurrency": 2, "requests_per_second": 5},
    )
    keys = [sorted(set(pl.read_parquet(one.wanted)["prompt_key"])) for one in (first, second)]
    assert keys == [list("abcf"), ["d"]]


@pytest.mark.slow
def test_a_killed_process_costs_what_was_in_flight(server: ChatServer, tmp_path: Path) -> None:
    """Of its share, what had been answered is in its journal, and is not asked again."""
    killed = threading.Event()

    def answer(body: Asked) -> Answer:
        if len(server.calls) == 20 and not killed.is_set():
            killed.set()
            process = next(iter(both.build.askers._processes))
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)
        return completion(body)

    server.answer = answer
    both = job(tmp_path, server, 2, "two")
    both.run()
    assert killed.is_set()
    lone, asked = job(tmp_path, server, 1, "one"), len(server.calls)
    server.answer = completion
    lone.run()
    assert rows(both) == rows(lone)
    assert asked <= len(server.calls) - asked + 5, "but for some of those in flight"


def test_an_error_of_a_process_is_that_of_the_build(server: ChatServer, tmp_path: Path) -> None:
    server.answer = lambda body: (401, {}, {"error": {"message": "no such key"}})
    with pytest.raises(FatalEngineError, match="no such key"):
        job(tmp_path, server, 2, "two").run()


@pytest.mark.slow
def test_another_build_asks_meanwhile_what_is_not_claimed(server: ChatServer, tmp_path: Path) -> None:
    """The journals of processes that ask are not taken for those of dying ones, which all would wait for."""
    found: list[tuple[int, int]] = []
    log, other = tmp_path / "both" / "log" / "completions", tmp_path / "other.parquet"
    guard = threading.Lock()

    def find() -> int:
        keys = pl.DataFrame({"id": ["z"], "prompt_key": ["z"], "indexes": [[0]]})
        keys.with_columns(pl.col("indexes").cast(pl.List(pl.Int32))).write_parquet(other)
        return 1

    def answer(body: Asked) -> Answer:
        with guard:
            if not found:
                with Claims(log, Memory()).claim(other, find) as claimed:
                    found.append((claimed.ours, len(claimed.owners)))
        return completion(body)

    server.answer = answer
    job(tmp_path, server, 2, "both").run()
    assert found == [(1, 0)]
