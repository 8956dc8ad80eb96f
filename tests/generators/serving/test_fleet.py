import asyncio
import os
import socket
from pathlib import Path

import pytest
from fake_vllm import started, write_program

from generators.serving import fleet as fleet_module
from generators.serving.fleet import Fleet
from generators.serving.layout import Server
from schemas.errors import FatalEngineError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_S", "HEALTH_S", "BACKOFF_S"):
        monkeypatch.setattr(fleet_module, name, 0.05)
    monkeypatch.setattr(fleet_module, "END_S", 0.5)


def servers(folder: Path, count: int, *wrong: str) -> list[Server]:
    program = str(write_program(folder, *wrong))
    ports = []
    for _ in range(count):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    return [Server("m", (str(n),), port, (program, "--port", str(port))) for n, port in enumerate(ports)]


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


async def served(fleet: Fleet, until: int, folder: Path) -> None:
    """Run until all answer and so many processes were started; then end them, as Ctrl-C does."""
    ready = asyncio.Event()
    task = asyncio.create_task(fleet.run(ready.set))
    while not (ready.is_set() and len(started(folder)) >= until) and not task.done():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("wrong", [(), ("deaf",)])
def test_all_are_started_on_their_gpus_and_ended(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    fleet = Fleet(servers(tmp_path, 2, *wrong), tmp_path / "logs", lambda words: None)
    asyncio.run(served(fleet, 2, tmp_path))
    assert sorted(gpu for _, _, gpu in started(tmp_path)) == ["0", "1"]
    assert not any(alive(pid) for _, pid, _ in started(tmp_path))
    assert len(list((tmp_path / "logs").glob("m-*.log"))) == 2


def test_a_proxy_of_the_environment_is_not_asked_for_servers_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    fleet = Fleet(servers(tmp_path, 1), tmp_path / "logs", lambda words: None)
    asyncio.run(asyncio.wait_for(served(fleet, 1, tmp_path), 20))


def test_a_dead_server_is_started_again(tmp_path: Path) -> None:
    words: list[str] = []
    fleet = Fleet(servers(tmp_path, 2, "once"), tmp_path / "logs", words.append)
    asyncio.run(served(fleet, 4, tmp_path))
    assert len({port for port, _, _ in started(tmp_path)}) == 2
    assert len(words) >= 2
    assert all("ended with status 3; starting it again in" in line for line in words)
    assert not any(alive(pid) for _, pid, _ in started(tmp_path))


def test_one_that_never_answers_ends_the_fleet_with_its_last_words(tmp_path: Path) -> None:
    made = servers(tmp_path, 1, "never")
    with pytest.raises(
        FatalEngineError, match=r"ended 3 times before it answered .*m-\d+.log says why: no such weights"
    ):
        asyncio.run(Fleet(made, tmp_path / "logs", lambda words: None).run(lambda: None))
    assert len(started(tmp_path)) == 3


def test_what_is_left_can_be_killed_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        fleet = Fleet(servers(tmp_path, 1, "deaf"), tmp_path / "logs", lambda words: None)
        ready = asyncio.Event()
        task = asyncio.create_task(fleet.run(ready.set))
        await ready.wait()
        fleet.kill()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(test())
    assert not any(alive(pid) for _, pid, _ in started(tmp_path))
