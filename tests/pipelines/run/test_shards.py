"""Buckets of a step computed by several processes: the same bytes, whatever happens to a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.job import Job, compile_recipe, open_job
from pipelines.run import shards
from pipelines.run.receipt import Receipt
from pipelines.run.shards import Shards, Task, may_share
from schemas.errors import StepError

STEPS = """\
name: many
uses: [hurt.py]
sources: [{type: jsonl, name: sums, path: SUMS, kind: number, columns: {tried: [{text: str, model: str}]}}]
driver: {workers: WORKERS}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - hurt: {of: rollout}
  - difficulty
  - drop: {of: sample, if: {hard: "k = 0"}}
"""
RELEASE = "  - release: {trainer: trl, rl: {of: sample, limit: 40}, replies: {of: rollout}}\n"

HURT = """
import os, signal, sys
from pathlib import Path
import polars as pl
from schemas.step import Gives, Out, Reads, StepConfig, StepType, read

def body(tables, config, context):
    order = Path(HERE) / "order"
    if order.exists() and "pytest" not in sys.modules:
        how, left = order.read_text().split()
        if int(left):
            order.write_text(f"{how} {int(left) - 1}")
            if how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("only in a process of its own")
    return Out(tables.rows.select("id", letters=pl.col("text").str.len_chars().cast(pl.Int64)))

STEP = StepType(name="hurt", summary="ends its process", version=1, config=StepConfig, of="rollout",
    reads=lambda config, known: Reads({"text": read("text", pl.String())}),
    gives=lambda config, known: Gives({"letters": pl.Int64()}), body=body)
"""
"""A step that does what the file `order` says, so many times, where it runs in a process of its own."""


TASK = Task("s", "f", str)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PATIENCE_S", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("many")
    said = [{"text": f"<answer>{n}</answer>", "model": "m"} for n in range(4)]
    rows = [
        {"question": f"What is {n} less than {n + n % 5}?", "answer": str(n % 5), "tried": said[: 1 + n % 4]}
        for n in range(90)
    ]
    (found / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found / "hurt.py").write_text(HURT.replace("HERE", repr(str(found))))
    return found


def opened(folder: Path, workspace: Path, workers: int = 2, more: str = "", **how: Any) -> Job:
    recipe = folder / f"many-{workers}.yaml"
    recipe.write_text((STEPS + more).replace("WORKERS", str(workers)).replace("SUMS", str(folder / "sums.jsonl")))
    return open_job(compile_recipe(str(recipe), trust=True), workspace, **how)


def tables(job: Job) -> dict[str, list[Any]]:
    """The rows of every unit of a finished build, and what the selftest tried."""
    tried = pl.read_parquet(job.build.folder / "selftest" / "verifiers.parquet").rows()
    return {"tried": tried} | {unit: job.rows(unit).drop("made_by").rows() for unit in ("rollout", "sample")}


def released(job: Job) -> dict[str, bytes]:
    """The tables of the release of a finished build."""
    folder = job.release
    assert folder is not None
    assert {path.name for path in folder.iterdir()} >= {"rl", "replies", "rollouts", "dropped.parquet"}
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What one process makes of all rows in one bucket."""
    job = opened(folder, tmp_path_factory.mktemp("alone"), workers=1)
    job.run()
    return tables(job)


def ordered(folder: Path, order: str) -> None:
    (folder / "order").write_text(order)


def test_two_processes_make_what_one_does_and_report_every_row(
    folder: Path, alone: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.run.progress.PIECE", 10)
    noted: dict[str, int] = {}

    def note(step: str, receipt: Receipt) -> None:
        noted[step] = receipt.samples

    job = opened(folder, tmp_path, buckets=4, progress=note)
    job.run()
    assert tables(job) == alone
    assert noted["scored"] == noted["hurt"] == sum(1 + n % 4 for n in range(90))


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workers=st.integers(1, 4), buckets=st.sampled_from([1, 2, 4, 8, 16]))
def test_any_number_of_processes_and_buckets_makes_the_same_release(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, workers: int, buckets: int
) -> None:
    first = opened(folder, tmp_path_factory.mktemp("first"), 1, RELEASE)
    first.run()
    job = opened(folder, tmp_path_factory.mktemp("any"), workers, RELEASE, buckets=buckets)
    job.run()
    assert tables(job) == tables(first)
    assert released(job) == released(first)


def test_a_killed_process_costs_its_bucket_another_try(folder: Path, alone: Any, tmp_path: Path) -> None:
    ordered(folder, "die 1")
    job = opened(folder, tmp_path, buckets=4)
    job.run()
    assert (folder / "order").read_text() == "die 0"
    assert tables(job) == alone


def test_a_bucket_that_ends_its_processes_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    ordered(folder, "die 9")
    job = opened(folder, tmp_path, buckets=2)
    with pytest.raises(StepError, match=r"Step 'hurt': bucket \d ended 2 processes .* by SIGKILL\..*driver\.workers"):
        job.run()
    ordered(folder, "die 0")


def test_what_a_process_cannot_compute_is_computed_here(folder: Path, alone: Any, tmp_path: Path) -> None:
    ordered(folder, "raise 1")
    job = opened(folder, tmp_path, buckets=4)
    job.run()
    assert (folder / "order").read_text() == "raise 0"
    assert tables(job) == alone


@pytest.mark.parametrize(
    "changed", [pytest.param(("version=1", "version=2"), marks=pytest.mark.slow), ("def body", "2.x def body")]
)
def test_a_recipe_that_another_process_reads_otherwise_is_computed_here(
    folder: Path, alone: Any, tmp_path: Path, changed: tuple[str, str]
) -> None:
    job = opened(folder, tmp_path, buckets=2)
    code = (folder / "hurt.py").read_text()
    try:
        (folder / "hurt.py").write_text(code.replace("letters=", "letters=2*").replace(*changed))
        records = {record["step"]: record["warnings"] for record in job.run()}
    finally:
        (folder / "hurt.py").write_text(code)
    assert tables(job) == alone
    assert bool(records["hurt"]) == ("2.x" in changed[1])
    assert "'hurt.py' could not be imported" in "".join(records["hurt"]) or not records["hurt"]


def test_a_build_that_cannot_be_sent_is_computed_here() -> None:
    cannot = Shards(lambda: None, 2)
    assert dict(cannot.map(TASK, [(0, ()), (1, ())], str, print)) == {0: "0", 1: "1"}
    assert "lambda" in str(cannot.trouble)


def test_processes_that_cannot_open_the_build_leave_it_to_this_one() -> None:
    cannot = Shards(partial(os._exit, 3), 2)
    assert dict(cannot.map(TASK, [(n, ()) for n in range(5)], str, print)) == {n: str(n) for n in range(5)}
    assert cannot.trouble == "exit code 3"
    cannot.close()


def test_little_work_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PATIENCE_S", 60.0)
    quick = Shards(partial(os._exit, 3), 8)
    assert dict(quick.map(TASK, [(n, ()) for n in range(5)], str, print)) == {n: str(n) for n in range(5)}
    assert quick.trouble is None


def test_steps_that_need_all_rows_are_not_shared(folder: Path, tmp_path: Path) -> None:
    steps = opened(folder, tmp_path, more="  - dedup\n  - split: {sft: 0.5, rl: 0.5}\n").compiled.pipeline.steps[1:]
    assert [step.name for step in steps if may_share(step)] == [
        "selftest",
        "given",
        "scored",
        "hurt",
        "difficulty",
        "drop",
        "dedup",
    ]


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{here!r}]
from pipelines.run import shards
shards.PATIENCE_S = 0
from test_shards import opened
opened(Path({folder!r}), Path({workspace!r}), buckets=2).run()
"""

WAIT = """
import time
def body(tables, config, context):
    (Path(HERE) / f"pid-{os.getpid()}").touch()
    time.sleep(600)
"""


@pytest.fixture
def waiting(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A recipe whose step never ends."""
    own = tmp_path / "recipe"
    own.mkdir()
    (own / "sums.jsonl").write_bytes((folder / "sums.jsonl").read_bytes())
    code = HURT.replace("def body(", "def unused(").replace("STEP =", f"{WAIT}\nSTEP =").replace("HERE", repr(str(own)))
    (own / "hurt.py").write_text(code)
    yield own
    for found in own.glob("pid-*"):
        try:
            os.kill(int(found.name.removeprefix("pid-")), signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_no_process_outlives_its_build(waiting: Path, tmp_path: Path, how: signal.Signals) -> None:
    script = SCRIPT.format(here=str(Path(__file__).parent), folder=str(waiting), workspace=str(tmp_path / "ws"))
    build = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        _until(lambda: len(list(waiting.glob("pid-*"))) == 2)
        build.send_signal(how)
        build.wait(60)
        pids = [int(found.name.removeprefix("pid-")) for found in waiting.glob("pid-*")]
        _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    finally:
        build.kill()


def _until(met: Any) -> None:
    for _ in range(1200):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")
