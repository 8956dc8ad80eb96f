"""What a new user gets wrong: one clear sentence, a code, and nothing finished is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SECRET = "sk-this-must-never-be-seen"
ROWS = [{"question": "How many sides has a square?", "answer": "4", "kind": "number"}]


def recipe(
    folder: Path, model: str = "reference-vlm, engine: transformers", rows: list[dict[str, object]] | None = None
) -> str:
    """A text-only recipe with rollouts by `model`; returns the path."""
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in (ROWS if rows is None else rows)))
    (folder / "r.yaml").write_text(
        f"name: r\nmodels:\n  m: {{model: {model}}}\n"
        "sources:\n  - {type: jsonl, name: rows, path: rows.jsonl}\n"
        "driver: {max_retries: 1, backoff_s: 0.1}\n"
        "steps:\n"
        "  - rollout: {model: m, n: 2, sees: nothing, sampling: {max_tokens: 4}, tags: plain}\n"
        "  - verify: {of: rollout, tags: plain}\n"
        "  - difficulty\n"
        "  - release: {rl: {of: sample}, allow_empty: [rl]}\n"
    )
    return "r.yaml"


def told(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """It failed with one sentence that holds these words, and shows neither a traceback nor a secret."""
    assert done.returncode not in {0, None}, done.stdout
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("curate: "), done.stderr
    for word in words:
        assert word in sentence
    assert "Traceback" not in done.stderr + done.stdout
    assert SECRET not in done.stderr + done.stdout


def test_a_source_file_that_is_not_there(curate: Run, tmp_path: Path) -> None:
    recipe(tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    told(curate("build", "r.yaml"), "rows.jsonl")


def test_a_workspace_that_cannot_be(curate: Run, tmp_path: Path) -> None:
    told(curate("build", recipe(tmp_path), "-w", "/proc/nothing"), "/proc/nothing cannot be used: no such file")


def test_an_empty_source(curate: Run, tmp_path: Path) -> None:
    told(curate("build", recipe(tmp_path, rows=[])), "rows")


def test_a_model_that_is_not_there(curate: Run, tmp_path: Path) -> None:
    told(curate("build", recipe(tmp_path, "reference-vml")), "reference-vml", "reference-vlm")


def test_rows_that_cannot_be_used_are_dropped_and_the_build_goes_on(curate: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("I am no image")
    rows: list[dict[str, object]] = [
        *ROWS,
        {"question": None, "answer": "4", "kind": "number"},
        {"question": "How many?", "answer": "plenty of them", "kind": "number"},
        {"question": "What is it?", "answer": "red", "kind": "text", "image": "text.png"},
    ]
    done = curate("build", recipe(tmp_path, rows=rows))
    assert done.returncode == 0, done.stderr
    for reason in ("ingest:question_empty", "ingest:gold_unparseable", "ingest:image_broken"):
        assert reason in done.stdout
    again = curate("build", "r.yaml")
    assert "up to date" in again.stdout


def test_a_dead_server(curate: Run, tmp_path: Path) -> None:
    path = recipe(tmp_path, "m, engine: openai, base_urls: ['http://127.0.0.1:9/v1']")
    told(curate("build", path, OPENAI_API_KEY=SECRET), "127.0.0.1:9")


@contextmanager
def refusing_server() -> Iterator[str]:
    """A server that knows no key."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._refuse()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self._refuse()

        def _refuse(self) -> None:
            given = self.headers.get("authorization", "")
            body = json.dumps({"error": {"message": f"Incorrect API key provided: {given}"}}).encode()
            self.send_response(401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Refuse) as url:
        yield url


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_wrong_key_is_told_and_never_shown(curate: Run, tmp_path: Path) -> None:
    with refusing_server() as url:
        path = recipe(tmp_path, f"m, engine: openai, base_urls: ['{url}']")
        told(curate("build", path, OPENAI_API_KEY=SECRET), "OPENAI_API_KEY")
    for file in (tmp_path / "curate_out").rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()


def test_planted_secrets_lie_nowhere(curate: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither in files of the workspace, nor in Prefect's database, nor in what is printed, also with what libraries log."""
    planted = {"OPENAI_API_KEY": SECRET, "CURATE_LAB_KEY": "planted-header-7f3a", "HF_TOKEN": "planted-token-51bc"}
    with refusing_server() as url:
        path = recipe(tmp_path, f"m, engine: openai, base_urls: ['{url}'], headers_env: {{X-Lab: CURATE_LAB_KEY}}")
        for command in (("-v", "build", path), ("preview", path)):
            done = curate(*command, **planted)
            assert not [name for name, secret in planted.items() if secret in done.stdout + done.stderr], command
    homes = [tmp_path, *tmp_path_factory.getbasetemp().glob("prefect*")]
    assert any(file.suffix == ".db" for home in homes for file in home.rglob("*"))
    for file in (file for home in homes for file in home.rglob("*") if file.is_file()):
        held = file.read_bytes()
        assert not [name for name, secret in planted.items() if secret.encode() in held], file


def test_a_refusal_is_told_in_the_servers_words_and_asked_again_by_the_next_build(curate: Run, tmp_path: Path) -> None:
    """Prefect does not try a refused step again; whoever cured the cause runs the same command."""
    asked: list[str] = []
    cured = threading.Event()

    class Short(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": []})

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
            if not cured.is_set():
                return self._send(400, {"detail": f"this server takes 10 tokens, {self.headers['authorization']}"})
            choices = [{"index": i, "message": {"content": "4"}} for i in range(json.loads(asked[-1]).get("n", 1))]
            return self._send(200, {"choices": choices})

        def _send(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Short) as url:
        path = recipe(tmp_path, f"m, engine: openai, base_urls: ['{url}']")
        told(curate("build", path, OPENAI_API_KEY=SECRET), "this server takes 10 tokens")
        assert len(asked) == 2, "once for both samples, once for one alone, and no more"
        cured.set()
        done = curate("build", path, OPENAI_API_KEY=SECRET)
        assert done.returncode == 0, done.stderr
        assert len(asked) == 3
        assert "up to date" in curate("build", path, "--retry-errors", OPENAI_API_KEY=SECRET).stdout
    for file in (tmp_path / "curate_out").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_a_full_disk(curate: Run, tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("size=256k")
    rows: list[dict[str, object]] = [
        {"question": os.urandom(300).hex(), "answer": "1", "kind": "number"} for _ in range(2000)
    ]
    told(curate("build", recipe(tmp_path, rows=rows), "-w", str(disk / "out")), "the disk is full")


def test_a_read_only_store(curate: Run, tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("size=1m,ro")
    told(curate("build", recipe(tmp_path), "-w", str(disk / "out")), "read-only")


def test_ctrl_c_twice_loses_nothing_that_was_answered(curate: Run, prefect_api: str, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"How many is {i}?", "answer": str(i), "kind": "number"} for i in range(1000)
    ]
    path = recipe(tmp_path, rows=rows)
    command = [sys.executable, "-c", "from flows.cli import app; app()", "build", path]
    child = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PREFECT_API_URL": prefect_api}, stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "curate_out" / "log" / "completions"
    while child.poll() is None and not any(p.stat().st_size for p in log.glob("journal-*")):
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 130, errors
    assert "Traceback" not in errors
    journals = sum(p.read_bytes().count(b"\n") for p in log.glob("journal-*"))
    parts = sum(pl.read_parquet(p).height for p in log.glob("part-*.parquet"))
    assert journals + parts > 0


def test_a_runner_that_is_none(curate: Run, tmp_path: Path) -> None:
    told(curate("build", recipe(tmp_path), "--runner", "threds"), "'threds'", "processes, dask, ray")


def test_a_schedule_that_could_never_push(curate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    when = ("schedule", recipe(tmp_path), "--cron", "0 3 * * *")
    monkeypatch.setenv("HF_TOKEN", f"{SECRET} {SECRET}")
    told(curate(*when, "--push", "shapes"), "write ORGANISATION/NAME")
    told(curate(*when, "--push", "my-lab/shapes"), "HF_TOKEN holds blanks")
    told(curate(*when, "--public"), "--push ORGANISATION/NAME")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    beside = ("--push", "my-lab/shapes", "--set", "steps.release.images=reference")
    told(
        curate(*when, *beside), "r.yaml:11 keeps its images beside the parquet", "`images: embed` in its `release` step"
    )


def test_a_schedule_without_a_server_that_stays(curate: Run, tmp_path: Path) -> None:
    told(curate("schedule", recipe(tmp_path), "--cron", "0 3 * * *", PREFECT_API_URL=""), "`prefect server start`")
