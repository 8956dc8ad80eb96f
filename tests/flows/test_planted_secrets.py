"""Secrets of the environment lie nowhere but there: not in a file, a table, a page, Prefect's database, what is printed or
sent, nor in the arguments of a process; and those that a recipe holds are refused without being shown."""

import base64
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import ChatServer, completion
from hub_server import REPO, TOKEN, serving
from secret_search import holders, named_in

PLANTED = {
    "OPENAI_API_KEY": "sk-planted-api-0a1b2c3d4e5f",
    "CURATE_LAB_KEY": "planted-header-7f3a",
    "HF_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": "planted-of-nobody-9d2e",
    "PREFECT_API_AUTH_STRING": "admin:planted-prefect-41c7",
    "HTTPS_PROXY": "http://alice:planted-proxy-c0de@127.0.0.1:9",
}
INSIDE = {"userinfo": "planted-userinfo-77aa", "argument": "planted-argument-88bb"}
"""Secrets that recipes hold."""

RECIPE = """\
name: r
models:
  m: {{model: m, engine: openai, base_urls: ["{url}"], headers_env: {{X-Lab: CURATE_LAB_KEY}}{more}}}
driver: {{max_retries: 2, backoff_s: 0.0, workers: 1}}
sources:
  - {{type: jsonl, name: rows, path: {rows}, license: MIT}}
steps:
  - rollout: {{model: m, n: 2, sees: nothing, sampling: {{temperature: 1.0, max_tokens: 64}}}}
  - verify: {{of: rollout}}
  - difficulty
  - release: {{rl: {{of: sample}}, allow_empty: [rl]}}
"""
EXPORTERS = ("trl", "llama_factory", "verl", "easyr1", "ms_swift", "openrlhf", "axolotl", "hugging_face")
CHILD = """
import json, sys
from pathlib import Path
import polars as pl
from flows.cli import app

for words in json.loads(sys.argv[1]):
    rows = Path("curate_out/builds/r/ingest/rows-0000.parquet")
    ids = pl.read_parquet(rows)["id"].to_list() if "ID" in words else [""]
    for one in ids:
        print("$", *words, flush=True)
        try:
            app([one if word == "ID" else word for word in words])
        except SystemExit as end:
            print("exit", end.code, flush=True)
"""
FAIL = ("validate", "build", "preview", "plan", "show")


class Echoing(ChatServer):
    """Answers 4, but for the first call, which is too early, and questions with the word gamma, which it refuses. Its errors
    show the headers of the request. It looks at the arguments of all processes meanwhile."""

    def __init__(self) -> None:
        super().__init__(completion)
        self.raw = self._echo
        self.shown: list[str] = []

    def _echo(self, handler: Any) -> None:
        body = self.calls[-1]
        headers = f"{handler.headers['authorization']} X-Lab: {handler.headers['x-lab']}"
        assert PLANTED["OPENAI_API_KEY"] in headers and PLANTED["CURATE_LAB_KEY"] in headers
        for arguments in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.shown += named_in(arguments.read_bytes(), PLANTED)
            except OSError:  # it has ended
                continue
        if len(self.calls) == 1:
            handler._send(429, {}, {"error": {"message": f"too early, {headers}"}})
        elif "gamma" in json.dumps(body["messages"]):
            handler._send(400, {}, {"error": {"message": f"not this one, {headers}"}})
        else:
            handler._send(*completion(body))


@pytest.fixture
def server() -> Iterator[Echoing]:
    with Echoing() as found:
        yield found


def write(folder: Path, name: str, rows: Path, url: str, more: str = "") -> str:
    path = folder / name
    path.write_text(RECIPE.format(url=url, rows=rows, more=more))
    return str(path)


def deployed(api: str, child: "subprocess.Popen[str]") -> None:
    """Wait until the server knows a schedule."""
    ask = urllib.request.Request(f"{api}/deployments/filter", b'{"deployments": {"name": {"any_": ["r"]}}}')
    ask.add_header("content-type", "application/json")
    while child.poll() is None:
        with urllib.request.urlopen(ask, timeout=10) as answer:
            if json.load(answer):
                return
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_planted_secrets_lie_nowhere(
    prefect_api: str, server: Echoing, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a finished build, and of every command on what it made."""
    beside, home = tmp_path_factory.mktemp("recipes"), tmp_path / "work"
    home.mkdir()
    rows = home / "rows.jsonl"
    asked = [
        {"question": f"{word}: what is 2 + 2?", "answer": "4", "kind": "number"} for word in ("alpha", "beta", "gamma")
    ]
    rows.write_text("\n".join(map(json.dumps, asked)))
    recipe = write(home, "r.yaml", rows, server.url)
    user = write(beside, "user.yaml", rows, server.url.replace("://", f"://alice:{INSIDE['userinfo']}@"))
    argument = write(beside, "argument.yaml", rows, server.url, f", args: {{api_key: {INSIDE['argument']}}}")
    commands = [
        ["-v", "validate", recipe],
        ["-v", "build", recipe],
        ["-v", "preview", recipe],
        ["-v", "plan", recipe],
        ["-v", "show", recipe, "--expand"],
        ["-v", "build", recipe, "--set", "steps.rollout.n=3"],
        *(["-v", "export", "r", name] for name in EXPORTERS),
        ["-v", "report", "r"],
        ["-v", "card", "r"],
        ["-v", "diff", "r/v1", "r/v2", "--rows", "5"],
        ["-v", "verify-release", "r"],
        ["-v", "why", "ID"],
        ["-v", "query", "SELECT * FROM dropped"],
        ["-v", "query", "SELECT * FROM prompts"],
        ["-v", "push", "r", REPO, "--yes"],
        ["-v", "gc"],
        *([command, bad] for bad in (user, argument) for command in FAIL),
    ]
    with serving() as hub:
        environment = os.environ | PLANTED | {"PREFECT_API_URL": prefect_api, "NO_PROXY": "127.0.0.1"}
        environment |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
        }
        build = [sys.executable, "-c", CHILD, json.dumps(commands)]
        done = subprocess.run(
            build, cwd=home, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        codes = [line.removeprefix("exit ") for line in done.stdout.splitlines() if line.startswith("exit ")]
        told = done.stdout + done.stderr
        assert codes[: -2 * len(FAIL)] == ["0"] * (len(codes) - 2 * len(FAIL)), told
        assert codes[-2 * len(FAIL) :] == ["2"] * 2 * len(FAIL), told
        assert "not this one" in told and "***" in told, "the words of the server are shown"
        serve = [
            sys.executable,
            "-c",
            "from flows.cli import app; app()",
            "-v",
            "schedule",
            recipe,
            "--cron",
            "0 3 * * *",
        ]
        child = subprocess.Popen(
            [*serve, "--push", REPO],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deployed(prefect_api, child)
        child.send_signal(signal.SIGTERM)
        told += child.communicate(timeout=120)[0]
        assert child.returncode == 0, told
        assert hub.tags
        sent = b"\n".join([*(data for commit in hub.commits for data in commit.values()), *hub.blobs.values()])
    everything = PLANTED | INSIDE
    assert named_in(told.encode(), everything) == []
    assert server.shown == []
    assert named_in(sent, everything) == []
    assert named_in(json.dumps([{**call, "authorization": ""} for call in server.calls]).encode(), everything) == []
    prefect = list(tmp_path_factory.getbasetemp().glob("prefect*"))
    assert any(path.suffix == ".db" for folder in prefect for path in folder.rglob("*"))
    for folder in (home, *prefect):
        assert holders(folder, everything) == []
    found = {path.suffix for path in home.rglob("*") if path.is_file()}
    assert found >= {".parquet", ".json", ".html", ".md", ".py", ".jsonl"}, "all of it was looked at"


def test_the_search_finds_what_is_packed(tmp_path: Path) -> None:
    secret = {"it": "planted-and-found-1234"}
    text = secret["it"]
    pq.write_table(pa.table({"a": [[{"b": text}] * 50]}), tmp_path / "table.parquet", compression="zstd")
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"k": text}), tmp_path / "metadata.parquet")
    block = base64.b64encode(gzip.compress(text.encode())).decode()
    (tmp_path / "page.html").write_text(f'<script type="text/plain" id="c0">{block}</script>')
    (tmp_path / "text.gz").write_bytes(gzip.compress(text.encode()))
    for number, before in enumerate(("", "a", "ab")):
        (tmp_path / f"basic-{number}.txt").write_bytes(b"Basic " + base64.b64encode(f"{before}{text}:".encode()))
    with sqlite3.connect(tmp_path / "prefect.db") as database:
        database.execute("CREATE TABLE t (a TEXT)")
        database.execute("INSERT INTO t VALUES (?)", ("x" * 5_000 + text,))
    database.close()
    assert [path for path, _ in holders(tmp_path, secret)] == sorted(tmp_path.iterdir())
    assert holders(tmp_path, {"other": "planted-and-not-there"}) == []
