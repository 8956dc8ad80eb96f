"""Keeps the servers of a machine up: starts them, waits until they answer, starts a dead one again, ends all of them."""

import asyncio
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from generators.serving.layout import Server
from schemas.errors import FatalEngineError

POLL_S = 1.0
HEALTH_S = 10.0
"""How often a server is asked whether it is well, once it is."""

SICK = 6
"""Times in a row that it does not say so, after which it is ended and started again."""

FALSE_STARTS = 3
"""Ends before the first answer, after which the fleet is given up."""

BACKOFF_S, BACKOFF_MAX_S = 1.0, 60.0
"""Before a server is started again: doubled each time, until it is well again."""

END_S = 30.0
"""Seconds that a server has to end by itself."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is not asked for what runs here."""

Say = Callable[[str], None]


class Fleet:
    """`host` is where servers are reached from this machine; `logs` gets a file for each."""

    def __init__(self, servers: Sequence[Server], logs: Path, say: Say, host: str = "127.0.0.1") -> None:
        self._servers, self._logs, self._say, self._host = servers, logs, say, host
        self._up: set[Server] = set()
        self._all_up = asyncio.Event()
        self._groups: set[int] = set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep all servers up until this is cancelled; then end them. `ready` is called once, when all answer.

        Raises:
            FatalEngineError: one ends again and again before it answers.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        tasks = [asyncio.create_task(self._keep(server)) for server in self._servers]
        ready_ = asyncio.create_task(self._all_up.wait())
        try:
            await asyncio.wait([ready_, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if ready_.done():
                ready()
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for ended in done:
                ended.result()
        finally:
            for task in (ready_, *tasks):  # each once, for a second time would stop what ends its server
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def kill(self) -> None:
        """End what is left, at once: for whoever does not wait for `run` to end it."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def log(self, server: Server) -> Path:
        return self._logs / f"{server.name}-{server.port}.log"

    async def _keep(self, server: Server) -> None:
        false_starts, wait = 0, BACKOFF_S
        while True:
            well, why = await self._once(server)
            false_starts, wait = (0, BACKOFF_S) if well else (false_starts + 1, wait)
            if false_starts >= FALSE_STARTS:
                raise FatalEngineError(
                    f"the server of '{server.name}' on port {server.port} ended {FALSE_STARTS} times before it answered "
                    f"({why}); {self.log(server)} says why: {self._last_words(server)}"
                )
            self._say(
                f"{server.name} on port {server.port} {why}; starting it again in {wait:.0f} s ({self.log(server)})"
            )
            await asyncio.sleep(wait)
            wait = min(2 * wait, BACKOFF_MAX_S)

    async def _once(self, server: Server) -> tuple[bool, str]:
        """One process from start to end; whether it ever answered, and how it ended."""
        process = await self._process(server)
        self._groups.add(process.pid)
        ending, well, sick = asyncio.create_task(process.wait()), False, 0
        try:
            while not ending.done():
                if await asyncio.to_thread(self._answers, server):
                    well, sick = True, 0
                    self._up.add(server)
                    if len(self._up) == len(self._servers):
                        self._all_up.set()
                elif well:
                    sick += 1
                    if sick >= SICK:
                        return True, "does not answer any more"
                await asyncio.wait({ending}, timeout=HEALTH_S if well else POLL_S)
            code = ending.result()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
            return well, how
        finally:
            self._up.discard(server)
            await self._end(process, ending)

    async def _process(self, server: Server) -> asyncio.subprocess.Process:
        with self.log(server).open("ab") as log:
            starting = asyncio.create_task(
                asyncio.create_subprocess_exec(
                    *server.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | server.environment,
                    start_new_session=True,  # a Ctrl-C reaches us alone, and we end its children with it
                )
            )
            try:
                return await asyncio.shield(starting)
            except asyncio.CancelledError:  # it may be there by now, and nobody else knows of it
                process = await starting
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                raise

    async def _end(self, process: asyncio.subprocess.Process, ending: "asyncio.Task[int]") -> None:
        """End a server with its children: politely, then not."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ending), END_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also children that outlived it
        await ending
        self._groups.discard(process.pid)

    def _answers(self, server: Server) -> bool:
        try:
            with _DIRECT.open(f"http://{self._host}:{server.port}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def _last_words(self, server: Server) -> str:
        with suppress(OSError):
            lines = self.log(server).read_text(errors="replace").splitlines()
            return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "nothing")
        return "nothing"
