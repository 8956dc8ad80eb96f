"""Releases and records in a bucket that somebody else could write to."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from object_store import ObjectStore, machine
from served_build import Server, built, job

from pipelines.release.versions import find_release
from pipelines.remote.places import place
from pipelines.store.release_seal import sound
from schemas.errors import CurateError, StoreError

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""


def test_a_damaged_head_of_a_release_is_a_sentence(tmp_path: Path, address: str, store: ObjectStore) -> None:
    with Server() as server:
        built(tmp_path, server, steps=STEPS, out=place(address))
        store.write(address.split("/")[2], "work/heads/releases/r/v1.json", b'{"digest": 1')
        with (
            machine(tmp_path / "other"),
            pytest.raises(StoreError, match=r"heads/releases/r/v1\.json in .* is damaged"),
        ):
            job(tmp_path, server, steps=STEPS, out=place(address))


@pytest.mark.parametrize("path", ["../../../../outside.txt", "/outside.txt"])
def test_a_manifest_that_names_a_file_elsewhere_brings_none(
    tmp_path: Path, address: str, store: ObjectStore, path: str
) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        built(tmp_path, server, steps=STEPS, out=place(address))
        key = "work/releases/r/v1/manifest.json"
        manifest = json.loads(store.read(bucket, key))
        manifest["files"].append({**manifest["files"][0], "path": path})
        data = json.dumps(manifest).encode()
        store.write(bucket, key, data)
        store.write(bucket, key.replace(".json", ".sha256"), f"{sha256(data).hexdigest()}  manifest.json\n".encode())
        with machine(tmp_path / "other"), pytest.raises(CurateError):
            sound(find_release("r/v1", place(address)))
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("step", ["../../../elsewhere", "/elsewhere"])
def test_a_record_that_names_a_step_elsewhere_writes_nothing_there(
    tmp_path: Path, address: str, store: ObjectStore, step: str
) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        built(tmp_path, server, steps=STEPS, out=place(address))
        head = json.loads(store.read(bucket, "work/heads/builds/r.json"))
        record = json.loads(store.read(bucket, f"work/records/r/{head['record']}.json"))
        record["records"][step] = record["records"]["ingest"]
        data = json.dumps(record).encode()
        head["record"] = sha256(data).hexdigest()
        store.write(bucket, f"work/records/r/{head['record']}.json", data)
        store.write(bucket, "work/heads/builds/r.json", json.dumps(head).encode())
        with machine(tmp_path / "other"), pytest.raises(StoreError, match="outside of the workspace"):
            job(tmp_path, server, steps=STEPS, out=place(address))
    assert not list(tmp_path.rglob("elsewhere"))
