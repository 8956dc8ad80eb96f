"""What lies in the folder of a proof, by a manifest of its own, and which proofs a release has.

    plan.json            what was fixed before the first run
    runs.jsonl           a line a run: its verdicts question by question, pass rates, cost
    table.md, *.svg      what came out
    proof.json           this manifest: a hash of every file, and what came out in short

A proof is no part of the release's seal: the release was there before it, and may have several.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.proof.files import KEPT, MANIFEST
from pipelines.proof.plan import FORMAT, Plan
from pipelines.proof.state import Run
from pipelines.proof.table import summary
from pipelines.store.release_files import differs, file_entry, is_file_entry
from pipelines.store.sealed_json import read_sealed, write_sealed


def write_manifest(plan: Plan, runs: Mapping[tuple[str, int], Run], folder: Path) -> None:
    """Write the manifest of a proof whose other files are there."""
    files = [file_entry(folder / name, folder) for name in KEPT if (folder / name).is_file()]
    facts = {
        "format": FORMAT,
        "release": plan.label,
        **{name: plan.facts[name] for name in ("trial", "content", "digest", "student", "reward")},
        "plan": plan.hash,
        "seeds": len(plan.seeds),
        "runs": len(runs),
        "whole": len(runs) == len(plan.runs()),
        "found": summary(plan, runs),
        "files": files,
    }
    write_sealed(facts, folder / MANIFEST)


def proofs(content: str, recipe: str, workspace: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder and the manifest of each whole and undamaged proof of a release's content."""
    for path in sorted((workspace / "proofs" / recipe / content[:16]).glob(f"*/{MANIFEST}")):
        found = read_sealed(path)
        if found is None or (found.get("format"), found.get("content")) != (FORMAT, content):
            continue
        if found["whole"] and _sound(path.parent, found):
            yield path.parent, found


def _sound(folder: Path, manifest: Mapping[str, Any]) -> bool:
    return all(is_file_entry(one, "beside") and differs(folder / one["path"], one) is None for one in manifest["files"])
