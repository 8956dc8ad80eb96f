"""Kill -9 at moments spread by step over whole commands: the same command then ends, asks again only for what was in flight,
and comes to the same bytes as one that nobody disturbed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Answer, Asked, ChatServer, completion
from PIL import Image
from tiny import digests

from pipelines.store.completions import CompletionsLog

SUPPORT = Path(__file__).parents[1] / "support"
CONCURRENCY = 4
SAMPLES = 12
CHILD = """
import os, signal, sys
where, nth, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.argv = ["curate", *sys.argv[5:]]
sys.path.append({support!r})
from pathlib import Path
from doors import watched
from flows.cli import app

seen = [0]
def act(count, event, path):
    if where in path:
        seen[0] += 1
        if seen[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

with watched(Path(root), act):
    try:
        app()
    finally:
        print(f"operations: {{seen[0]}}", file=sys.stderr)
"""
RECIPE = """\
name: r
models:
  m: {{model: m, engine: openai, base_urls: ["{url}"], concurrency: {concurrency}}}
driver: {{backoff_s: 0.01, backoff_max_s: 0.1, workers: 1}}
sources:
  - {{type: jsonl, name: rows, path: rows.jsonl, license: MIT}}
steps:
  - caption: {{model: m, sampling: {{temperature: 0.0, max_tokens: 32}}}}
  - rollout: {{model: m, n: 4, sampling: {{temperature: 1.0, max_tokens: 32}}}}
  - verify: {{of: rollout}}
  - difficulty
  - split: {{sft: 0.5, rl: 0.5}}
  - select: {{budget: 0.9}}
  - release: {{rl: {{of: sample, columns: [caption]}}, sft: {{of: sample}}, allow_empty: [rl, sft]}}
"""
PLACES = (
    "/media/", "/builds/r/ingest/", "/builds/r/selftest/", "/log/prompts/", "/log/completions/claims/",
    "/log/completions/journal", "/log/completions/part", "/log/completions/", "/builds/r/caption/", "/builds/r/rollout/",
    "/builds/r/build.json", "/builds/r/verify/", "/builds/r/difficulty/", "/builds/r/split/", "/builds/r/select/",
    "/builds/r/release/", "/releases/r/",
)  # fmt: skip
"""Where a build writes, in the order in which it does."""
TURNS = (1, 2, 5)


class Counting(ChatServer):
    """Counts the choices that it gives for each prompt."""

    def __init__(self) -> None:
        super().__init__(self._count)
        self.given: Counter[str] = Counter()

    def _count(self, body: Asked) -> Answer:
        n = body.get("n") or 1
        with self.lock:
            self.given[json.dumps(body["messages"])] += n
        found = re.search(r"What is (\d+) \+ 1", json.dumps(body["messages"]))
        right = {
            "content": "A plain square." if found is None else f"\\boxed{{{int(found[1]) + 1}}}",
            "role": "assistant",
        }
        return completion(body, content="\\boxed{0}", first={"message": right})


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    with Counting() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path, server: Counting) -> Path:
    server.given.clear()
    rows = []
    for i in range(SAMPLES):
        Image.new("RGB", (32, 32), (i * 20, 9, 200 - i)).save(tmp_path / f"{i}.png")
        rows.append({"question": f"What is {i} + 1?", "answer": str(i + 1), "kind": "number", "image": f"{i}.png"})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.format(url=server.url, concurrency=CONCURRENCY))
    return tmp_path


class Commands:
    """Runs commands in a folder, killed at the n-th operation on a place of the workspace, or not at all."""

    def __init__(self, folder: Path, api: str, workspace: str = "out") -> None:
        self.folder, self.api, self.workspace = folder, api, workspace
        self.kills = 0

    def run(self, *words: str, where: str = "", nth: int = 0, **environment: str) -> int | None:
        """The number of operations of a command that ended; None where it was killed."""
        root = self.folder / self.workspace
        command = [sys.executable, "-c", CHILD.format(support=str(SUPPORT)), where, str(nth), str(root), "--", *words]
        done = subprocess.run(
            [*command, "-w", str(root)],
            cwd=self.folder,
            env=os.environ | {"PREFECT_API_URL": self.api} | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode == -9:
            self.kills += 1
            return None
        assert done.returncode == 0, (words, where, nth, done.stderr)
        assert "Traceback" not in done.stderr
        return int(done.stderr.rpartition("operations: ")[2].split()[0])

    def spread(self, kills: int, *words: str, **environment: str) -> None:
        """Kill a command so many times, at operations spread over one that was not, and end it."""
        most = self.run(*words, **environment)
        assert most is not None and most >= kills, words
        for number in range(kills):
            self.run(*words, where="", nth=1 + most * number // kills, **environment)


def keys(folder: Path) -> list[str]:
    return CompletionsLog(folder / "log" / "completions").scan().collect()["key"].to_list()


def killed_builds(folder: Path, api: str, server: Counting, moments: list[tuple[str, int]]) -> Commands:
    """Kill a build again and again, end it, and hold it to an undisturbed one."""
    whole = Commands(folder, api, "whole")
    whole.run("build", "r.yaml")
    wanted = sum(server.given.values())
    server.given.clear()
    killed = Commands(folder, api)
    for where, nth in moments:
        if killed.run("build", "r.yaml", where=where, nth=nth) is not None:  # so often it does not write there
            held_to(folder, server, killed, wanted)
            shutil.rmtree(folder / "out")
            server.given.clear()
    killed.run("build", "r.yaml")
    held_to(folder, server, killed, wanted)
    print(f"builds: {killed.kills} kills of {len(moments)} moments")  # noqa: T201
    return killed


def held_to(folder: Path, server: Counting, killed: Commands, wanted: int) -> None:
    """What holds of a build that ended after kills, beside an undisturbed one."""
    out = folder / "out"
    assert digests(out / "releases" / "r" / "v1") == digests(folder / "whole" / "releases" / "r" / "v1")
    assert [p.name for p in (out / "releases" / "r").iterdir() if not p.name.startswith(".")] == ["v1"]
    assert len(keys(out)) == len(set(keys(out)))
    assert set(keys(out)) == set(keys(folder / "whole"))
    assert server.given.total() <= wanted + CONCURRENCY * killed.kills, "asked again what was not in flight"


@pytest.mark.slow  # test_sharing.py kills a build in less
def test_a_killed_build_goes_on(folder: Path, prefect_api: str, server: Counting) -> None:
    assert killed_builds(folder, prefect_api, server, [("/log/completions/journal", 2)]).kills == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_every_step_of_a_build(folder: Path, prefect_api: str, server: Counting) -> None:
    moments = [(place, turn) for place in PLACES for turn in TURNS]
    assert killed_builds(folder, prefect_api, server, moments).kills >= 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_of_a_build_with_a_server_of_its_own(folder: Path, server: Counting) -> None:
    moments = [("/builds/r/ingest/", 2), ("/log/completions/part", 1), ("/releases/r/", 5)]
    assert killed_builds(folder, "", server, moments).kills == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_of_what_reads_a_release(folder: Path, prefect_api: str) -> None:
    commands = Commands(folder, prefect_api)
    commands.run("build", "r.yaml")
    out = folder / "out"
    released = digests(out / "releases")
    places = {"export": out / "exports", "report": out / "reports"}
    for words in (("export", "r/v1", "trl"), ("report", "r")):
        commands.run(*words)
        whole = digests(places[words[0]])
        commands.spread(8, *words)
        commands.run(*words)
        left = {path: d for path, d in digests(places[words[0]]).items() if not Path(path).name.startswith(".")}
        assert left == whole, words
    before = keys(out)
    for number in range(8):
        for name in ("log/completions/.spill/a", "releases/r/.new-7/x", f"builds/r/old-{number}/rows-0000.parquet"):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(b"x")
        commands.run("gc", where="", nth=4 + 8 * number)
    commands.run("gc")
    held = (".lock", ".scratch", ".joining")
    assert not [p for p in out.rglob(".*") if p.name not in held]
    assert digests(out / "releases") == released
    assert sorted(keys(out)) == sorted(before)
    print(f"export, report and gc: {commands.kills} kills")  # noqa: T201
    assert commands.kills >= 18


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("polite", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("own_server", [True, False])
def test_a_polite_stop_of_the_whole_group_is_a_sentence(
    folder: Path, prefect_api: str, server: Counting, polite: signal.Signals, own_server: bool
) -> None:
    """Prefect's own temporary server, which is of the group, gets the signal too."""
    command = [sys.executable, "-c", "from flows.cli import app; app()", "build", "r.yaml", "-w", str(folder / "out")]
    environment = os.environ | {"PREFECT_API_URL": "" if own_server else prefect_api}
    child = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    while server.given.total() < 20:
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    os.killpg(child.pid, polite)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 130, said
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("curate: Stopped. Everything that was answered is in the log")
