"""Two builds of one workspace that want the same answers pay for them once, also where one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import served_build
from chat_server import Answer, Asked, ChatServer, completion, refusal

from pipelines.job import compile_recipe, open_job
from pipelines.store.completions import CompletionsLog

ROWS = [{"question": f"What is {i} + 0?", "answer": str(i), "kind": "number"} for i in range(30)]
CONCURRENCY = 4
Start = Callable[[str], "subprocess.Popen[str]"]
CHILD = """
import sys
from pathlib import Path
from pipelines.job import compile_recipe, open_job

def heard(step, receipt):
    if receipt.elsewhere:
        print("waits", flush=True)

folder, name = Path(sys.argv[1]), sys.argv[2]
job = open_job(compile_recipe(str(folder / f"{name}.yaml")), folder / "out", progress=heard)
sys.stdin.readline()
job.run()
print("ended", flush=True)
"""


class Counting(ChatServer):
    """Counts the choices that it gives for each question, once it is let go."""

    def __init__(self) -> None:
        super().__init__(self._count)
        self.given: Counter[str] = Counter()
        self.go = threading.Event()
        self.kill: tuple[int, int] | None = None
        """A process to be killed, and after how many choices."""

    def _count(self, body: Asked) -> Answer:
        self.go.wait(60)
        with self.lock:
            self.given[json.dumps(body["messages"])] += body.get("n") or 1
            if self.kill is not None and self.given.total() >= self.kill[1]:
                os.kill(self.kill[0], signal.SIGKILL)
                self.kill = None
        return completion(body)


def write_recipe(folder: Path, name: str, url: str, n: int = 2) -> None:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    text = served_build.RECIPE.replace("URL]}", f"{json.dumps(url)}], concurrency: {CONCURRENCY}}}")
    text = text.replace("name: r", f"name: {name}", 1).replace("ROWS", str(folder / "rows.jsonl"))
    (folder / f"{name}.yaml").write_text(text.replace("n: 2", f"n: {n}"))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts a process that has read a recipe of the folder and builds it when it is let go."""
    with ExitStack() as stack:

        def start(name: str) -> "subprocess.Popen[str]":
            command = [sys.executable, "-c", CHILD, str(tmp_path), name]
            child = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(child.kill)
            return child

        yield start


def go(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def until(child: "subprocess.Popen[str]", word: str) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"the build ended with {child.wait()} before it was heard to say '{word}'")


def keys(folder: Path) -> list[str]:
    return CompletionsLog(folder / "out" / "log" / "completions").scan().collect()["key"].to_list()


def one_waits_for_another(started: Start, server: Counting) -> "tuple[subprocess.Popen[str], subprocess.Popen[str]]":
    """Builds of `a`, which has begun to ask, and of `b`, which waits for its answers."""
    first, second = started("a"), started("b")
    go(first)
    while not server.calls:
        assert first.poll() is None
    go(second)
    until(second, "waits")
    return first, second


def test_two_recipes_at_once_ask_once(tmp_path: Path, started: Start) -> None:
    """The one that comes second wants more of each question: it asks for what the first did not."""
    with Counting() as server:
        write_recipe(tmp_path, "a", server.url)
        write_recipe(tmp_path, "b", server.url, n=3)
        first, second = one_waits_for_another(started, server)
        server.go.set()
        until(first, "ended")
        until(second, "ended")
        assert (first.wait(), second.wait()) == (0, 0)
    assert set(server.given.values()) == {3}
    assert len(keys(tmp_path)) == len(set(keys(tmp_path))) == 3 * len(ROWS)
    assert not list((tmp_path / "out").rglob("claim-*"))


def test_what_a_killed_build_was_asking_for_is_asked_by_the_one_that_waits(tmp_path: Path, started: Start) -> None:
    with Counting() as server:
        for name in ("a", "b"):
            write_recipe(tmp_path, name, server.url)
        first, second = one_waits_for_another(started, server)
        server.kill = (first.pid, 2 * len(ROWS) // 2)
        server.go.set()
        assert first.wait() == -signal.SIGKILL
        until(second, "ended")
        assert second.wait() == 0
        paid = server.given.total()
        assert paid <= 2 * len(ROWS) + CONCURRENCY, "what was answered was asked again"
        open_job(compile_recipe(str(tmp_path / "a.yaml")), tmp_path / "out").run()
        assert server.given.total() == paid
    assert len(keys(tmp_path)) == len(set(keys(tmp_path))) == 2 * len(ROWS)


@pytest.mark.slow
def test_what_the_first_does_not_get_is_asked_again_by_the_second_once(tmp_path: Path, started: Start) -> None:
    with Counting() as server:
        for name in ("a", "b"):
            write_recipe(tmp_path, name, server.url)
        answer = server.answer

        def lost(body: Asked) -> Answer:
            gone = "What is 7" in json.dumps(body["messages"])
            return (refusal(400, "not this one") if gone else answer)(body)

        server.answer = lost
        first, second = one_waits_for_another(started, server)
        server.go.set()
        until(first, "ended")
        until(second, "ended")
        assert (first.wait(), second.wait()) == (0, 0)
    assert set(server.given.values()) == {2}
    sevens = sum("What is 7" in json.dumps(call["messages"]) for call in server.calls)
    assert sevens == 4, "each build asks for both samples at once, and then for one alone"
