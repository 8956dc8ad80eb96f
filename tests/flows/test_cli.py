"""The command, as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "vllm", "prefect", "faiss", "transformers", "datasets", "polars", "duckdb")


def curate(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from flows.cli import app; app()", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from flows.cli import app\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
        "print(result.output)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[0] == "[]"
    for command in ("build", "plan", "validate", "why", "query", "schedule"):
        assert command in told


def test_no_process_of_a_command_runs_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    """As Prefect starts its temporary server (`-m`), and as libraries start workers (`-c`)."""
    for module in ("uvicorn", "multiprocessing"):
        (tmp_path / f"{module}.py").write_text("print('planted')")
    code = (
        "import subprocess, sys\n"
        "from flows.cli import main\n"
        "main()\n"
        "for how in (['-m', 'uvicorn', '--version'], ['-c', 'import multiprocessing']):\n"
        "    subprocess.run([sys.executable, *how], check=True)\n"
    )
    command = [sys.executable, "-P", "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True).stdout
    assert "planted" not in told


@pytest.mark.parametrize("command", ["build", "plan", "validate", "why", "query", "schedule"])
def test_every_command_has_help(command: str) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()[3].strip()) > 20


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("build", "quickstrat"), "There is no recipe 'quickstrat'. Did you mean 'quickstart'?"),
        (("build", "quickstart", "--set", "steps.rollout.nn=3"), "unknown key 'steps.rollout.nn'. Did you mean 'n'?"),
        (("build", "nowhere.yaml"), "There is no recipe file 'nowhere.yaml'."),
        (("plan", "quickstart", "--set", "steps.scored.tags=thnk_answer"), "no tag schema 'thnk_answer'. Did you"),
        (("why", "abc"), "There is no build in"),
        (("query", "SELECT 1"), "There is no build in"),
        (("query", " ;"), "A query is needed, such as: curate query 'SHOW TABLES'."),
        (("gc", "-w", "typo"), "There is no workspace typo. Name the one that builds wrote with --workspace."),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code(args: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = curate(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    """Not a line or two for each time that its library tries again."""
    code = "import time; time.sleep = lambda seconds: None; from flows.cli import app; app()"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "cache")}
    asked = [sys.executable, "-c", code, "validate", "gthinker"]
    env = os.environ | nowhere
    done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120, check=False)
    assert done.returncode == 2
    assert "derek-thomas/ScienceQA" in done.stderr
    assert "Check the network" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
