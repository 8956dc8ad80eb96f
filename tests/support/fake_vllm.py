"""A program `vllm` for tests of processes: answers /health on its port. What it does wrong lies in files of its folder.

`never`: it ends before it answers; `once`: the first process of a port ends after it has answered; `deaf`: it ignores
SIGTERM.
"""

import sys
from pathlib import Path

PROGRAM = """#!{python}
import os, signal, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

folder, port = Path({folder!r}), int(sys.argv[sys.argv.index("--port") + 1])
with (folder / "started").open("a") as file:
    file.write(f"{{port}} {{os.getpid()}} {{os.environ.get('CUDA_VISIBLE_DEVICES', '-')}}\\n")
if (folder / "never").exists():
    sys.exit("no such weights")
if (folder / "deaf").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        if (folder / "once").exists() and not (folder / f"gone-{{port}}").exists():
            (folder / f"gone-{{port}}").touch()
            threading.Timer(0.1, os._exit, (3,)).start()

    def log_message(self, *args): ...


HTTPServer.allow_reuse_address = True
HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""


def write_program(folder: Path, *wrong: str) -> Path:
    """The program, in a folder to be put on PATH."""
    path = folder / "vllm"
    path.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    path.chmod(0o755)
    for name in wrong:
        (folder / name).touch()
    return path


def started(folder: Path) -> list[list[str]]:
    """Port, process and GPUs of each process so far."""
    file = folder / "started"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []
