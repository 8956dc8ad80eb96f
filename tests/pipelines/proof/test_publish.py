"""Of several proofs a card shows one, chosen by a rule that looks at no result."""

from pathlib import Path
from typing import Any

from sealing import sealed

from pipelines.proof.plan import FORMAT
from pipelines.proof.publish import proof_of, publish_proof
from pipelines.store.release_seal import read_manifest
from pipelines.store.sealed_json import write_sealed


def released(workspace: Path) -> Path:
    release = workspace / "releases" / "start" / "v1"
    release.mkdir(parents=True)
    return sealed(release, {})


def proven(workspace: Path, plan: str, **facts: Any) -> None:
    content = read_manifest(workspace / "releases" / "start" / "v1")["content"]
    folder = workspace / "proofs" / "start" / content[:16] / plan
    folder.mkdir(parents=True)
    known = {
        "format": FORMAT,
        "content": content,
        "release": "start/v1",
        "plan": plan,
        "whole": True,
        "trial": False,
        "files": [],
    }
    write_sealed({**known, "seeds": 5, "runs": 20, "found": [], **facts}, folder / "proof.json")


def chosen(release: Path) -> str | None:
    found = proof_of(release)
    return None if found is None else found["plan"]


def test_the_proof_with_the_most_seeds_is_shown_and_of_these_that_with_the_most_runs(tmp_path: Path) -> None:
    release = released(tmp_path)
    assert chosen(release) is None
    proven(tmp_path, "z_few_seeds", seeds=3, runs=90, found=["sft_rl 99 %: better"])
    assert chosen(release) == "z_few_seeds"
    proven(tmp_path, "b_more_runs", runs=40, found=["sft_rl 10 %: worse"])
    proven(tmp_path, "c_fewer_runs", runs=30, found=["sft_rl 98 %: better"])
    proven(tmp_path, "d_unfinished", seeds=50, whole=False)
    proven(tmp_path, "f_of_another_format", seeds=50, format=FORMAT - 1)
    proven(tmp_path, "e_of_another_content", seeds=50, content="d" * 32)
    assert chosen(release) == "b_more_runs"


def test_no_card_shows_a_trial(tmp_path: Path) -> None:
    release = released(tmp_path)
    proven(tmp_path, "trial", seeds=100, runs=900, trial=True)
    assert proof_of(release) is None
    assert publish_proof(release, tmp_path / "cards") is None and not (tmp_path / "cards").exists()
    proven(tmp_path, "real", seeds=1)
    assert chosen(release) == "real"
