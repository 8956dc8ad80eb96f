"""The temporary server ends with the command, also after kill -9."""

import subprocess
import sys
import time
from typing import Any

import pytest
from prefect.server.api.server import SubprocessASGIServer

from flows.server import watch_server

HOST = """
import subprocess, sys, time
from flows.server import end_with_us
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=True)
end_with_us(child.pid)
print(child.pid, flush=True)
{then}
"""


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def ended(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_process_ends_after_kill_9_of_ours() -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST.format(then="time.sleep(600)")], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    pid = int(host.stdout.readline())
    assert alive(pid)
    host.kill()
    host.communicate()
    assert ended(pid)


def test_an_orderly_exit_leaves_it_to_its_owner() -> None:
    told = subprocess.run(
        [sys.executable, "-c", HOST.format(then="")], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    ).stdout
    pid = int(told)
    time.sleep(0.2)
    assert alive(pid)
    subprocess.run(["kill", str(pid)], check=True)


def test_prefect_starts_the_watched_server() -> None:
    watch_server()
    server = SubprocessASGIServer()
    assert type(server).__name__ == "_Watched"
    assert "_run_uvicorn_command" in vars(SubprocessASGIServer), "what the watched server extends"
    server.stop()


def test_the_temporary_server_listens_on_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Started:
        pid = 0

        def __init__(self, args: list[str], **how: Any) -> None:
            started.append(args)

    monkeypatch.setenv("PREFECT_SERVER_API_HOST", "0.0.0.0")
    monkeypatch.setattr(subprocess, "Popen", Started)
    SubprocessASGIServer(port=8123)._run_uvicorn_command()
    assert started[0][started[0].index("--host") + 1] == "127.0.0.1"
