"""`curate gc` in an object store: what no published record names goes, there and here; what is named stays."""

from pathlib import Path

import pytest
from object_store import ObjectStore, machine
from recipe_build import built, opened, sums, write_recipe

from pipelines.remote.places import place
from pipelines.store.garbage import collect_garbage
from pipelines.store.media import MediaStore
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

STEPS = [
    {"sql": {"as": "more", "of": "sample", "gives": {"twice": "question || question"}}},
    {"release": {"rl": {"of": "sample"}}},
]
OTHERS = [
    {"sql": {"as": "more", "of": "sample", "gives": {"twice": "question || 'x'"}}},
    {"release": {"rl": {"of": "sample"}}},
]


def test_what_nobody_names_goes(tmp_path: Path, address: str, store: ObjectStore) -> None:
    bucket = address.split("/")[2]
    built(write_recipe(tmp_path, STEPS, sums(4)), place(address))
    job = built(write_recipe(tmp_path, OTHERS, sums(4)), place(address))
    media = MediaStore(job.build.workspace.media)
    media.put(b"unnamed", "png")
    media.flush()
    [release] = {key.split("/")[3] for key in store.keys(bucket, "work/releases/tiny/")}
    for unfinished in (f"{release[:-1]}x/rl/part.parquet", "v7-0123456789ab/README.md", "x"):
        store.write(bucket, f"work/releases/tiny/{unfinished}", b"1")
    before = set(store.keys(bucket))
    with machine(tmp_path / "other"):
        workspace = Workspace(place(address))
        assert {one.path.name for one in collect_garbage(workspace, dry_run=True)} >= {
            Path(key).name for key in before if "/media/" in key
        }
        assert set(store.keys(bucket)) - {"work/heads/gc.json"} == before
        collect_garbage(workspace)
    gone = before - set(store.keys(bucket))
    assert len([key for key in gone if "/more/rows-" in key]) == 1
    assert not [key for key in store.keys(bucket) if "/media/" in key]
    assert len([key for key in store.keys(bucket) if "/records/" in key]) == 1
    assert len([key for key in gone if "/releases/" in key]) == 3
    assert not [key for key in gone if f"/{release}/" in key or "/heads/" in key or "/log/" in key]
    with machine(tmp_path / "third"):
        again = opened(tmp_path / "recipe.yaml", place(address))
        assert again.up_to_date()
        assert again.rows("sample", ["twice"]).height == 4
        assert not collect_garbage(Workspace(place(address)))


def test_nothing_is_removed_while_another_machine_builds(tmp_path: Path, address: str) -> None:
    job = built(write_recipe(tmp_path, STEPS, sums(4)), place(address))
    refused = pytest.raises(ConfigError, match=r"A build is running.*lease")
    with job.build.workspace.lock("tiny"), machine(tmp_path / "other"), refused:
        collect_garbage(Workspace(place(address)))
    refused = pytest.raises(ConfigError, match="gc` is running")
    with Workspace(place(address)).alone(), machine(tmp_path / "other"), refused:
        built(write_recipe(tmp_path, OTHERS, sums(4)), place(address))
