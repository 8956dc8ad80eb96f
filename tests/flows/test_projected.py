"""`curate plan --calibrate` on a terminal."""

from pathlib import Path

from served_build import ROWS, Server, job
from typer.testing import CliRunner

from flows.cli import app


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["plan", *arguments])
    return done.exit_code, " ".join((done.stdout + done.stderr).split())


def test_it_says_what_was_measured_what_that_comes_to_and_what_limits(tmp_path: Path) -> None:
    with Server() as server:
        job(tmp_path, server, rows=[{**row, "question": f"{n}: {row['question']}"} for n in range(4) for row in ROWS])
        recipe, there = str(tmp_path / "r.yaml"), ("-w", str(tmp_path / "out"))
        code, shown = run(recipe, "--calibrate", "10", "--samples", "1000000", *there)
        assert code == 0, shown
        assert "Calibration: 10 answers about 5 samples" in shown
        assert "Projected to 1,000,000 samples: 2,000,000 answers" in shown
        assert shown.count("← limits") == 1 and "Limit: the " in shown
        assert "Cost of what is asked: unknown" in shown
        assert "--calibrate 128 or more says what a full one gives" in shown
        code, shown = run(recipe, "--calibrate", "10", *there)
        assert (code, "Ask about more: --calibrate 40" in shown) == (2, True)


def test_samples_without_calibrate_is_a_sentence(tmp_path: Path) -> None:
    code, shown = run("quickstart", "--samples", "10", "-w", str(tmp_path))
    assert (code, "add --calibrate 200" in shown) == (2, True)
