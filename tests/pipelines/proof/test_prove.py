"""From a release to its proof with the real student, at a size that shows that everything runs and nothing else."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import proof_release
import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipelines.proof import material, rows
from pipelines.proof import run as running
from pipelines.proof.arms import ARMS, PAIRS
from pipelines.proof.config import read_config
from pipelines.proof.manifest import proofs
from pipelines.proof.prove import Proving, open_proof
from pipelines.proof.publish import publish_proof
from pipelines.proof.random_traces import pool_of
from pipelines.proof.rows import drawn
from pipelines.proof.state import State
from pipelines.release.card import publish_card
from pipelines.release.verify import verify_release
from pipelines.store.sealed_json import write_sealed
from schemas.errors import ConfigError, StoreError

TINY = (
    "sft.steps=3", "sft.batch=4", "rl.steps=1", "rl.prompts=2", "rl.completions=2", "graded.holdout=4", "graded.fresh=3",
    "graded.band=2", "graded.replies=2", "tokens=12", "seeds=2",
)  # fmt: skip
LINE = ["sft", "rl", "sft_rl"]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return proof_release.built(tmp_path_factory.mktemp("start"))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    yield


def proving(job: Any, workspace: Path, *options: str) -> Proving:
    return open_proof(job.release, read_config([*TINY, *options]), workspace, job)


def test_every_arm_is_run_once_a_seed_and_what_came_out_lies_beside_the_release(job: Any, tmp_path: Path) -> None:
    mine = proving(job, tmp_path)
    manifest = json.loads((job.release / "manifest.json").read_text())
    assert mine.folder == tmp_path / "proofs" / "start" / manifest["content"][:16] / mine.plan.hash[:16]
    assert list(mine.plan.arms) == list(ARMS) and mine.plan.facts["left"] == {}
    seen: list[tuple[str, int]] = []
    assert mine.run(report=lambda run, done, of: seen.append((run["arm"], run["seed"]))) == []
    assert seen == mine.plan.runs() and len(seen) == 2 + 2 * 7
    runs = State(mine.folder).runs()
    assert all(len(run["holdout"]) == 4 and len(run["fresh"]) == 3 for run in runs.values())
    assert {name: [part["what"] for part in runs[name, 1]["trained"]] for name in ("sft", "rl", "sft_rl")} == {
        "sft": ["sft"], "rl": ["rl"], "sft_rl": ["sft", "rl"],
    }  # fmt: skip
    assert runs["sft_rl", 1]["trained"][0] == runs["sft", 1]["trained"][0], "it goes on from the same cold start"
    assert runs["sft", 0]["trained"][0]["tokens"] == runs["sft_shuffled", 0]["trained"][0]["tokens"], "equal budgets"
    table = (mine.folder / "table.md").read_text()
    assert "## One arm less another, on holdout" in table and "How stale the selection is" in table
    assert (mine.folder / "accuracy.svg").read_text().startswith("<svg")
    [(folder, found)] = proofs(manifest["content"], "start", tmp_path)
    assert folder == mine.folder and found["whole"] and found["plan"] == mine.plan.hash
    assert not found["trial"]
    assert not (folder / "weights").exists()
    assert verify_release(job.release).holds, "the release is as it was"
    card = tmp_path / "cards" / "start.md"
    shutil.copytree(job.release, tmp_path / "releases" / "start" / "v1")
    publish_card(job.release, card.parent, proof=publish_proof(tmp_path / "releases" / "start" / "v1", card.parent))
    assert "[The whole table, and what was fixed](start/proof/table.md)" in card.read_text()
    assert (card.parent / "start" / "proof" / "table.md").read_text() == table
    assert all(sentence in card.read_text() for sentence in found["found"]) and len(found["found"]) == len(PAIRS)
    before = {path.name: path.read_bytes() for path in mine.folder.glob("*.*")}
    again = proving(job, tmp_path)
    again.run(report=lambda run, done, of: pytest.fail("a run was made twice"))
    assert {path.name: path.read_bytes() for path in mine.folder.glob("*.*")} == before
    (folder / "table.md").write_text("better\n")
    assert publish_proof(tmp_path / "releases" / "start" / "v1", card.parent) is None
    assert list(proofs(manifest["content"], "start", tmp_path)) == [], "a proof that was changed is none"


def test_the_plan_stands_before_the_first_run_and_other_sizes_are_another(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    mine = proving(job, tmp_path, "arms=[rl]")

    def stop(self: Any, name: str, seed: int) -> Any:
        assert json.loads((mine.folder / "plan.json").read_text())["config"]["seeds"] == 2
        raise StoppedError

    monkeypatch.setattr(running.Runner, "run", stop)
    with pytest.raises(StoppedError):
        mine.run()
    assert "0 of 2 runs are done" in (mine.folder / "table.md").read_text()
    assert proving(job, tmp_path, "arms=[rl]").plan.hash == mine.plan.hash
    assert proving(job, tmp_path, "arms=[rl]", "rl.rate=1e-5").folder != mine.folder


def test_a_seed_repeats_to_the_last_figure(job: Any, tmp_path: Path) -> None:
    def found(workspace: Path) -> list[Any]:
        mine = proving(job, workspace, "arms=[sft_rl]", "seeds=1")
        mine.run()
        return [{**run, "seconds": 0} for run in State(mine.folder).runs().values()]

    assert found(tmp_path / "a") == found(tmp_path / "b")


def test_a_release_without_traces_is_refused_with_the_cure(job: Any, tmp_path: Path) -> None:
    mine = read_config([*TINY])
    release = proof_release.without(job.release, tmp_path / "releases" / "start" / "v1", "sft")
    with pytest.raises(
        ConfigError, match=r"start/v1 has no rows in `sft`, and a proof trains on `sft` and `rl`"
    ) as caught:
        open_proof(release, mine, tmp_path)
    cure = str(caught.value).rpartition("run the arms that need less: ")[2].removesuffix(".").split()
    options = [part for option in TINY for part in ("--set", option)]
    found = CliRunner().invoke(app, ["prove", str(release), "-w", str(tmp_path), "--processes", "1", *options, *cure])
    assert found.exit_code == 0, found.output
    assert "4/4 rl, seed 1: " in found.stdout
    assert " %, base " in found.stdout, "what came out is compared with what was not trained"


@pytest.mark.parametrize("processes", [1, 2])
def test_random_traces_that_are_not_those_of_the_plan_are_refused(job: Any, tmp_path: Path, processes: int) -> None:
    mine = proving(job, tmp_path, "arms=[sft_random]")
    mine.write_plan()
    path = mine.folder / "random_traces.json"
    whole = json.loads(path.read_text())
    del whole["seal"]
    fewer = {**whole, "traces": whole["traces"][1:]}
    for damage in (path.unlink, lambda: path.write_text("{"), lambda: write_sealed(fewer, path)):
        damage()
        with pytest.raises(StoreError, match=r"random_traces.json is damaged. Remove .* and run the proof again."):
            mine.run(processes)


def test_each_seed_draws_its_random_traces_by_hash_from_all_that_were_made(job: Any, monkeypatch: Any) -> None:
    manifest = json.loads((job.release / "manifest.json").read_text())
    everything, some = pool_of(job, job.release, manifest, 1 << 30, 1), pool_of(job, job.release, manifest, 5, 3)
    keys = [trace.key for trace in everything.traces]
    assert len(keys) > 20 and list(everything.draws) == [tuple(range(len(keys)))]
    for seed in range(3):
        assert [trace.key for trace in some.drawn(seed)] == [keys[i] for i in drawn(keys, 5, f"random:{seed}")]
    assert set(some.traces) == {trace for seed in range(3) for trace in some.drawn(seed)}, "and no other text is held"
    read = []

    def recorded(*args: Any, **more: Any) -> Any:
        read.append(rows.read_rows(*args, **more))
        return read[-1]

    monkeypatch.setattr(material, "read_rows", recorded)
    own = material.Material(job.release, manifest, read_config(TINY), some).traces(ARMS["sft_random"], 2)
    assert own.replies == tuple(trace.reply for trace in some.drawn(2))
    assert set(read[0].ids) == {trace.sample for trace in some.drawn(2)}, "no other image is decoded"


def test_traces_that_all_went_out_are_no_random_choice(job: Any) -> None:
    """A draw of all of them is what `sft` has already, so there is nothing to compare."""
    manifest = json.loads((job.release / "manifest.json").read_text())
    made = len(pool_of(job, job.release, manifest, 1 << 30, 1).traces)
    for released, why in ((made - 1, None), (made, "the recipe made no more traces than went out")):
        manifest["statistics"]["configs"]["sft"]["rows"] = released
        assert pool_of(job, job.release, manifest, 5, 1).why == why


def test_what_cannot_be_run_is_named_with_its_reason(job: Any, tmp_path: Path) -> None:
    elsewhere = open_proof(job.release, read_config([*TINY]), tmp_path)
    assert elsewhere.plan.facts["left"] == {
        "sft_random": "the build of this release is not in the workspace, so the traces that it dropped are not either"
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "There is no release 'nothing'."),
        (
            ["quickstart"],
            "There is no release 'quickstart'. Releases in WORKSPACE: start/v1. Build it first: curate build ",
        ),
        (
            ["start", "--student", "Qwen/Qwen2.5-VL-7B-Instruct"],
            "cannot be trained here: it is no folder, and there is no",
        ),
        (["start", "--set", "sft.stps=3"], "there is no such key. Did you mean 'steps'?"),
        (["start", "--arms", "sft_r1"], "there is no arm 'sft_r1'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(job: Any, arguments: list[str], words: str) -> None:
    workspace = job.release.parents[2]
    found = CliRunner().invoke(app, ["prove", *arguments, "--workspace", str(workspace)])
    assert found.exit_code == 2
    assert words.replace("WORKSPACE", str(workspace)) in found.stderr


def test_the_command_says_what_it_would_run_and_how_long_that_takes(job: Any) -> None:
    options = [part for option in TINY for part in ("--set", option)]
    workspace = job.release.parents[2]
    found = CliRunner().invoke(
        app,
        [
            "prove",
            str(workspace.parent / "start.yaml"),
            *options,
            "--quick",
            "--dry-run",
            "--processes",
            "2",
            "-w",
            str(workspace),
        ],
    )
    assert found.exit_code == 0, found.output
    assert (
        "16 runs, 2 seeds" in found.stdout and "All with 2 side by side: about 0 min. Nothing was run." in found.stdout
    )
    assert "A trial, which shows that it runs and nothing else" in found.stdout
    assert not (workspace / "proofs").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_proof_that_was_killed_goes_on_and_says_the_same(job: Any, tmp_path: Path) -> None:
    """kill -9 in the middle, then the same command by two processes, against a proof that nobody stopped."""
    options = [part for option in TINY for part in ("--set", option)]
    arms = [part for arm in LINE for part in ("--arms", arm)]
    command = [sys.executable, "-c", "from flows.cli import app; app()", "prove", str(job.release), *options, *arms]

    def start(workspace: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "-w", str(workspace), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def runs(workspace: Path) -> dict[Any, Any]:
        [path] = workspace.glob("proofs/start/*/*/runs.jsonl")
        return {key: {**run, "seconds": 0} for key, run in State(path.parent).runs().items()}

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed, "--processes", "1")
    while not any(killed.glob("proofs/start/*/*/runs.jsonl")) or len(runs(killed)) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()  # which closes the pipe too
    assert 2 <= len(runs(killed)) < 6
    for workspace, more in ((killed, "2"), (whole, "1")):
        out, _ = start(workspace, "--processes", more).communicate()
        assert b"Proof: " in out, out
    assert runs(killed) == runs(whole)
    assert len(runs(whole)) == 6
