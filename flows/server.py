"""Prefect's temporary server, which ends with the command that started it, however that ends.

Prefect stops the server at the exit of the process. After kill -9 there is no exit, and it would run on.
"""

import atexit
import subprocess
from functools import partial
from types import SimpleNamespace
from typing import Any

from prefect.server.api import server as api
from prefect.server.api.server import SubprocessASGIServer


class _Watched(SubprocessASGIServer):
    """Prefect keeps one instance, whichever class made it, so that it starts this one where it needs a server."""

    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        # A session of its own: a signal to our group would end it before the build has said goodbye to it.
        own = SimpleNamespace(**vars(subprocess))
        own.Popen = partial(subprocess.Popen, start_new_session=True)
        setattr(api, "subprocess", own)  # noqa: B010
        try:
            process = super()._run_uvicorn_command()
        finally:
            setattr(api, "subprocess", subprocess)  # noqa: B010
        end_with_us(process.pid)
        return process


def watch_server() -> None:
    """See to it that a temporary server, if Prefect starts one, ends with this process. Starts none."""
    _Watched()


def end_with_us(pid: int) -> None:
    """End a process when this one is gone: a shell waits for our end of a pipe to close, which the kernel does."""
    command = ["/bin/sh", "-c", 'cat > /dev/null; kill "$0" 2> /dev/null', str(pid)]
    # A session of its own: neither Ctrl-C nor a kill of the whole group reaches the shell.
    null = subprocess.DEVNULL
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True)

    def release() -> None:
        watcher.kill()
        watcher.communicate()

    atexit.register(release)
