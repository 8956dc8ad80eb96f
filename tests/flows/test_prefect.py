"""The flow against a real Prefect server: a task a step, the funnel as an artifact, a deployment on a schedule."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: text_only
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: rows, path: rows.jsonl}
steps:
  - rollout: {model: m, n: 2, sees: nothing, sampling: {max_tokens: 4}, tags: plain}
  - verify: {of: rollout, tags: plain}
  - difficulty
  - release: {rl: {of: sample}, allow_empty: [rl]}
"""


def write(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"question": "How many sides has a square?", "answer": "4", "kind": "number"}')
    (folder / "r.yaml").write_text(RECIPE)


def ask(api: str, what: str, **body: Any) -> Any:
    request = urllib.request.Request(
        f"{api}/{what}/filter", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_build_is_a_flow_run_with_a_task_a_step_and_a_funnel(curate: Run, prefect_api: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = curate("build", "r.yaml")
    assert done.returncode == 0, done.stderr
    (run,) = ask(prefect_api, "flow_runs", flow_runs={"name": {"any_": ["text_only"]}})
    assert run["state"]["type"] == "COMPLETED"
    tasks = ask(prefect_api, "task_runs", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    assert {t["name"] for t in tasks} == {"ingest", "selftest", "rollout", "verify", "difficulty", "release"}
    (artifact,) = ask(prefect_api, "artifacts", artifacts={"key": {"any_": ["curate-text-only"]}})
    funnel = json.loads(artifact["data"])
    assert funnel[0]["step"] == "ingest"
    fans = {row["step"] for row in funnel if row["in"] != row["kept"] + row["dropped"]}
    assert fans == {"rollout"}, "two rows of each"


@contextmanager
def scheduled(api: str, folder: Path, cron: str) -> Iterator["subprocess.Popen[str]"]:
    """`curate schedule r.yaml`, stopped politely at the end."""
    write(folder)
    served = subprocess.Popen(
        [sys.executable, "-c", "from flows.cli import app; app()", "schedule", "r.yaml", "--cron", cron],
        cwd=folder,
        env=os.environ | {"PREFECT_API_URL": api},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield served
    finally:
        served.send_signal(signal.SIGTERM)
        said, errors = served.communicate(timeout=120)
    assert served.returncode == 0
    assert said.splitlines()[-1] == "Stopped: text_only is scheduled no more. What was answered is in the log."
    assert all(line.startswith("rollout ") for line in errors.splitlines()), errors


def test_a_schedule_is_a_deployment_served_from_here(prefect_api: str, tmp_path: Path) -> None:
    with scheduled(prefect_api, tmp_path, "0 3 * * *") as served:
        found: list[Any] = []
        for _ in range(120):
            found = ask(prefect_api, "deployments", deployments={"name": {"any_": ["text_only"]}})
            if found or served.poll() is not None:
                break
            time.sleep(0.5)
        assert [s["schedule"]["cron"] for s in found[0]["schedules"]] == ["0 3 * * *"]
        assert found[0]["parameters"]["workspace"] == str(tmp_path / "curate_out")


@pytest.mark.slow
def test_a_schedule_builds(prefect_api: str, tmp_path: Path) -> None:
    """Every minute here; the server's own scheduler makes the run and the command takes it."""
    release = tmp_path / "curate_out" / "releases" / "text_only" / "v1" / "manifest.json"
    with scheduled(prefect_api, tmp_path, "* * * * *") as served:
        for _ in range(360):
            if release.exists() or served.poll() is not None:
                break
            time.sleep(0.5)
        assert release.exists()


def test_a_cron_line_that_is_none(curate: Run, tmp_path: Path) -> None:
    write(tmp_path)
    done = curate("schedule", "r.yaml", "--cron", "every morning")
    assert done.returncode == 2
    assert done.stderr.startswith("curate: --cron 'every morning'")
