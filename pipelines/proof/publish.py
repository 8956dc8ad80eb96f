"""A proof beside the card of its release: what the card says of it, and copies of its table and plots."""

import shutil
from pathlib import Path
from typing import Any

from pipelines.proof.files import SHOWN, TABLE
from pipelines.proof.manifest import proofs
from pipelines.store.release_seal import read_manifest
from pipelines.store.workspace import replacing, store_errors


def proof_of(release: Path) -> dict[str, Any] | None:
    """The manifest of the proof of a release of a workspace, with its `folder`. Of several that with the most seeds, of
    these that with the most runs; never a trial. What came out has no say."""
    if release.parent.parent.name != "releases":
        return None
    manifest = read_manifest(release)
    there = proofs(manifest["content"], manifest["name"], release.parents[2])
    found = [one for one in there if not one[1]["trial"]]
    if not found:
        return None
    folder, best = max(found, key=lambda one: (one[1]["seeds"], one[1]["runs"], one[1]["plan"]))
    return {**best, "folder": folder}


def publish_proof(release: Path, folder: Path) -> dict[str, Any] | None:
    """Copy the proof of a release to `folder/<recipe>/proof`, and return its manifest with the `place` of its table."""
    found = proof_of(release.resolve())
    if found is None:
        return None
    place = Path(str(found["release"]).split("/", maxsplit=1)[0]) / "proof"
    with store_errors(folder):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in SHOWN:
            if (found["folder"] / name).is_file():
                with replacing(folder / place / name) as path:
                    shutil.copyfile(found["folder"] / name, path)
    return {**found, "place": f"{place}/{TABLE}"}
