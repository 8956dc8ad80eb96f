"""A release holds what a release is made of, and nothing of it lies elsewhere."""

import os
import shutil
from pathlib import Path

import pytest
from sealing import resealed

from pipelines.release.verify import verify_release
from pipelines.store.release_names import leads_out, well_named
from pipelines.store.release_seal import sound
from schemas.errors import ConfigError

IMAGE = f"images/{'0' * 64}.png"


def refusal(release: Path) -> str:
    """What whoever reads a release says of it, which verify-release says too."""
    proof = verify_release(release)
    assert not proof.holds, proof.text()
    with pytest.raises(ConfigError) as caught:
        sound(release)
    return str(caught.value)


def test_the_names_of_a_release() -> None:
    assert well_named(["rl/part-00000.parquet", "dropped.parquet"], ["README.md", "croissant.json", IMAGE])
    assert not well_named(["rl/part-00000.parquet"] * 2, [])
    assert not well_named(["rl/part-00000.parquet"], ["rl/part-00000.parquet"])


@pytest.mark.parametrize(
    "name",
    [
        "v1.py",
        "model.pkl",
        ".huggingface.yaml",
        "dataset_infos.json",
        "rl/loader.py",
        ".git/hooks/post-checkout",
        "images/a.png",
        f"images/{'0' * 64}.png/x",
        f"Images/{'0' * 64}.png",
        "RL/part-00000.parquet",
        "rl/part-00001.PARQUET",
        "rl/part-1.parquet",
        "rl/part\u202e-00001.parquet",
        "rl/part-00001.parquet\n",
    ],
)
def test_a_file_that_no_release_has_is_refused_though_the_manifest_names_it(release: Path, name: str) -> None:
    path = release / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(release / "rl" / "part-00000.parquet", path)
    resealed(release)
    assert "manifest.json is damaged or of another version" in refusal(release)


@pytest.mark.parametrize(
    "name", ["rl/./part-00001.parquet", "a\0b", "\x1b]52;c;AAAA\x07", "/etc/passwd", "../x", "x" * 5000]
)
def test_a_name_that_is_none_is_refused(release: Path, name: str) -> None:
    entry = {"path": name, "rows": 1, "bytes": 1, "sha256": "0" * 64}
    resealed(release, lambda manifest: manifest["files"].append(entry), truly=False)
    assert "manifest.json is damaged or of another version" in refusal(release)


def test_a_file_has_one_entry(release: Path) -> None:
    """Of two that differ, one alone could be compared."""
    resealed(release, lambda manifest: manifest["files"].append({**manifest["files"][0], "rows": 0}), truly=False)
    assert "manifest.json is damaged or of another version" in refusal(release)


@pytest.mark.parametrize("name", ["rl/part-00000.parquet", "README.md", "manifest.json", "manifest.sha256"])
def test_a_link_that_leads_out_is_refused_whatever_its_bytes(release: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    shutil.move(release / name, outside)
    (release / name).symlink_to(outside)
    assert leads_out(release / name, release)
    assert f"{name} is a link that leads out of the release" in refusal(release)


def test_links_of_the_hubs_cache_lead_to_its_blobs(release: Path, tmp_path: Path) -> None:
    home = tmp_path / "datasets--lab--sums"
    snapshot, blobs = home / "snapshots" / "0123", home / "blobs"
    shutil.copytree(release, snapshot)
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in snapshot.rglob("*") if path.is_file())):
        shutil.move(path, blobs / str(number))
        path.symlink_to(os.path.relpath(blobs / str(number), path.parent))
    assert verify_release(snapshot).holds and sound(snapshot)
    (blobs / "0").rename(tmp_path / "aside")
    (blobs / "0").symlink_to(tmp_path / "aside")
    assert "leads out of the release" in refusal(snapshot)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_nobody_waits_for_a_pipe(release: Path, name: str) -> None:
    (release / name).unlink()
    os.mkfifo(release / name)
    assert "manifest" in refusal(release)
