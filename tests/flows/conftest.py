"""One Prefect server for the tests that run the real command, so that each need not start its own."""

import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Prefect server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--no-ui",
    ]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=1):
                    break
            except OSError:
                if server.poll() is not None:
                    raise RuntimeError("the Prefect server did not start") from None
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def curate(prefect_api: str, tmp_path: Path) -> Run:
    """Runs the command in an empty folder, as a user would."""

    def run(*args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from flows.cli import app; app()", *args]
        variables = os.environ | {"PREFECT_API_URL": prefect_api} | environment
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=variables, timeout=170, check=False
        )

    return run


@pytest.fixture
def quiet_prefect(prefect_api: str) -> Iterator[None]:
    """A server for flows of this process, and no logs of Prefect, as `curate` sets it."""
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings

    names = ("prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.task_runner")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
