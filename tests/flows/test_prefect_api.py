"""A Prefect server that is dead, wrong or none, and a folder that cannot be written, are told in a sentence, at once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows import prefect_api
from flows.prefect_api import check_prefect, lost_server, read_settings
from schemas.errors import ConfigError, StepError


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that says one thing to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://user:hidden@127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "notaurl", "http://no.such.host.invalid"])
def test_nobody_answers(url: str) -> None:
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ConfigError, match=r"No Prefect server answers at PREFECT_API_URL=.*prefect server start"),
    ):
        check_prefect()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (404, b"{}"), (200, b'{"a": 1}'), (200, b"true"), (500, b'"3.0"'), (200, b"\xff")],
)
def test_somebody_else_answers(status: int, body: bytes) -> None:
    with (
        answering(status, body) as url,
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ConfigError, match="is no Prefect server") as told,
    ):
        check_prefect()
    assert "hidden" not in str(told.value)


def test_a_server_that_only_listens_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from socket import socket

    monkeypatch.setattr(prefect_api, "WAIT_S", 0.2)
    with socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/api"
        with (
            temporary_settings({PREFECT_API_URL: url}),
            pytest.raises(ConfigError, match=r"No Prefect server answers .*ReadTimeout"),
        ):
            check_prefect()


def test_wrong_credentials_are_told() -> None:
    with answering(401, b"no") as url:
        names = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: "user:hidden"}
        with temporary_settings(names), pytest.raises(ConfigError, match="refuses these credentials") as told:
            check_prefect()
    assert "hidden" not in str(told.value)


def test_a_server_of_prefect_is_one() -> None:
    with answering(200, json.dumps("3.9.0").encode()) as url, temporary_settings({PREFECT_API_URL: url}):
        check_prefect()


def test_an_empty_address_names_no_server(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_API_URL: "", PREFECT_HOME: tmp_path / "prefect"}):
        check_prefect()
    assert (tmp_path / "prefect").is_dir()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    names = {PREFECT_HOME: tmp_path / "file" / "prefect"}
    with (
        temporary_settings(names, restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigError, match=r"Prefect cannot write to its folder .*Set PREFECT_HOME"),
    ):
        check_prefect()


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), RuntimeError("Failed to reach API at http://x")])
def test_a_server_that_went_away_is_told(error: Exception) -> None:
    with pytest.raises(StepError, match="Prefect's server answers no more"), lost_server():
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="a bug"), lost_server():
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/api", "curate: No Prefect server answers"),
        ("http://[broken/api", "curate: A setting of Prefect (PREFECT_…) is wrong: "),
    ],
)
def test_the_command_says_it(curate: Callable[..., Any], tmp_path: Path, url: str, words: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "How many?", "answer": "4", "kind": "number"}\n')
    (tmp_path / "r.yaml").write_text(
        "name: r\nsources:\n  - {type: jsonl, name: rows, path: rows.jsonl}\nsteps:\n  - release: {rl: {of: sample}}\n"
    )
    done = curate("build", "r.yaml", PREFECT_API_URL=url)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(words)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect.toml", '[logging]\nconfig_path = "log.yml"\n'),
        ("prefect.toml", ""),
        ("pyproject.toml", '[tool.prefect.logging]\nconfig_path = "log.yml"\n'),
        ("pyproject.toml", "[tool\n"),
        (".env", "A=1\nexport prefect_logging_config_path = log.yml\n"),
        (".env", "'PREFECT_API_URL'=\"http://127.0.0.1:9/api\"\n"),
    ],
)
def test_settings_of_the_current_folder_are_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text(text)
    for check in (check_prefect, read_settings):
        with pytest.raises(ConfigError, match=rf"settings of Prefect \({file}\).*--trust"):
            check()
    assert read_settings(trust=True)


def test_a_folder_without_settings_of_prefect_is_as_good_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AWS_REGION=eu\n# PREFECT_HOME=x\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["prefect"]\n')
    assert read_settings()
