"""A build that is killed, and goes on: its journal is found on its machine, its lease is free at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from object_store import machine
from served_build import ROWS, Server, built, job

from pipelines.remote.places import place
from pipelines.store.release_seal import digest_of

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""
PROGRAM = """
import sys
from pipelines.job import compile_recipe, open_job
from pipelines.remote.places import place

open_job(compile_recipe(sys.argv[1]), place(sys.argv[2])).run()
"""


@pytest.mark.slow
def test_kill_in_the_middle_of_asking(tmp_path: Path, address: str) -> None:
    with Server() as server:
        here = built(tmp_path, server, steps=STEPS)
        before, plain = server.asked, server.answer
        job(tmp_path, server, steps=STEPS, out=place(address))
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "r.yaml"), address]
        running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})

        def kill(body: Any) -> Any:
            if server.asked == before + len(ROWS):
                running.send_signal(signal.SIGKILL)
            return plain(body)

        server.answer = kill
        assert running.wait(120) == -signal.SIGKILL
        asked, server.answer = server.asked, plain
        there = built(tmp_path, server, steps=STEPS, out=place(address))
        assert server.asked <= asked + len(ROWS)
        assert here.release is not None
        assert there.release is not None
        assert digest_of(there.release) == digest_of(here.release)
        with machine(tmp_path / "other"):
            assert job(tmp_path, server, steps=STEPS, out=place(address)).up_to_date()
