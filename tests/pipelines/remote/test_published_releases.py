"""Releases in a bucket to which others write too: late holders of a lease, and whoever damages what lies there."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from object_store import ObjectStore, machine, working_copy
from served_build import Server, built, job

from pipelines.job import Job
from pipelines.release.versions import find_release
from pipelines.remote import head
from pipelines.remote.places import copy_of, place, shown
from pipelines.remote.working_copy import WorkingCopy
from pipelines.store.release_seal import digest_of, sound
from schemas.errors import CurateError, StoreError

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""


def release_of(copy: WorkingCopy, rows: str) -> Path:
    """A release of two files beside its manifest, made in a working copy."""
    release = copy.root / "releases" / "r" / "v1"
    (release / "rl").mkdir(parents=True)
    (release / "rl" / "part.parquet").write_text(rows)
    (release / "README.md").write_text(f"The card of {rows}.")
    files = [{"path": "rl/part.parquet"}, {"path": "README.md"}]
    (release / "manifest.json").write_text(json.dumps({"rows": rows, "files": files}))
    (release / "manifest.sha256").write_text(sha256((release / "manifest.json").read_bytes()).hexdigest())
    return release


def forget(job: Job) -> None:
    """Have the release step of a build run again."""
    with job.build.workspace.lock("r"):
        job.runner.record.read()
        job.runner.record.forget(job.compiled.pipeline.step("release"))


def bytes_in(release: Path) -> dict[str, bytes]:
    return {str(path.relative_to(release)): path.read_bytes() for path in release.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sent", range(5))
def test_a_holder_who_was_away_changes_no_byte_of_the_release_that_another_published(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    stale = working_copy(address)
    stale.builds.take("r", "a-1-x", "stale", lambda owner: True)
    late, send, seen = release_of(stale, "of the one who was away"), stale.objects.send, [0]

    def away(name: str, path: Path) -> None:
        seen[0] += 1
        if seen[0] == sent:
            head._HELD.clear()  # as another process sees it
            with machine(tmp_path / "other"):
                other = working_copy(address)
                other.builds.take("r", "b-2-y", "other", lambda owner: True)
                other.releases.publish(release_of(other, "published"))
                other.builds.release("r")
        send(name, path)

    monkeypatch.setattr(stale.objects, "send", away)
    if sent:
        with pytest.raises(StoreError, match="taken over"):
            stale.releases.publish(late)
    else:
        stale.releases.publish(late)
    with machine(tmp_path / "reader"):
        reader = working_copy(address)
        release = reader.root / "releases" / "r" / "v1"
        reader.releases.complete(release)
        found = bytes_in(release)
    assert found["rl/part.parquet"] == (b"published" if sent else b"of the one who was away")
    assert found == (
        bytes_in(tmp_path / "other" / release.relative_to(tmp_path / "reader")) if sent else bytes_in(late)
    )


def test_of_two_who_publish_a_version_the_first_has_it_and_the_other_hears_so(tmp_path: Path, address: str) -> None:
    first = working_copy(address)
    first.releases.publish(release_of(first, "first"))
    with machine(tmp_path / "other"):
        second = WorkingCopy(first.address, tmp_path / "second")  # which has not looked since
        with pytest.raises(StoreError, match="has another release r/v1 by now"):
            second.releases.publish(release_of(second, "second"))
        third = WorkingCopy(first.address, tmp_path / "third")
        third.releases.publish(release_of(third, "first"))


def test_other_tools_read_a_release_by_the_address_that_a_build_shows(
    tmp_path: Path, address: str, store: ObjectStore
) -> None:
    with Server() as server:
        release = built(tmp_path, server, steps=STEPS, out=place(address)).release
    assert release is not None
    where = shown(release)
    assert where == f"{address}/releases/r/v1-{digest_of(release)[:12]}"
    bucket, _, key = where.removeprefix("s3://").partition("/")
    there = {one.removeprefix(f"{key}/"): store.read(bucket, one) for one in store.keys(bucket, f"{key}/")}
    assert there == bytes_in(release)
    assert shown(release / "rl") == f"{where}/rl"


@pytest.mark.parametrize(("which", "how"), [("manifest.json", "gone"), ("manifest.sha256", "cut"), ("rl/", "cut")])
def test_a_release_that_is_damaged_in_the_store_is_made_anew_there(
    tmp_path: Path, address: str, store: ObjectStore, which: str, how: str
) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        first = built(tmp_path, server, steps=STEPS, out=place(address))
        assert first.release is not None
        digest = digest_of(first.release)
        [key, *_] = [one for one in store.keys(bucket, "work/releases/r/v1-") if f"/{which}" in one]
        whole = store.read(bucket, key)
        if how == "cut":
            store.write(bucket, key, whole[:-1])
        else:
            store.client().delete_object(Bucket=bucket, Key=key)
        with machine(tmp_path / "other"):
            copy = copy_of(place(address))
            assert copy is not None
            again = job(tmp_path, server, steps=STEPS, out=copy.root)
            forget(again)
            again.run()
            assert again.release is not None
            assert digest_of(again.release) == digest
        assert store.read(bucket, key) == whole
        with machine(tmp_path / "reader"):
            assert sound(find_release("r@v1", place(address)), whole="whole")["version"] == "v1"


def test_a_release_that_is_damaged_here_is_fetched_again(tmp_path: Path, address: str) -> None:
    with Server() as server:
        first = built(tmp_path, server, steps=STEPS, out=place(address))
        assert first.release is not None
        card = first.release / "README.md"
        whole = card.read_bytes()
        card.write_bytes(whole[:-1])
        forget(first)
        again = built(tmp_path, server, steps=STEPS, out=place(address))
        assert again.release == first.release
        assert card.read_bytes() == whole


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
        [key] = [key for key in store.keys(bucket, "work/releases/r/v1-") if key.endswith("/manifest.json")]
        manifest = json.loads(store.read(bucket, key))
        manifest["files"].append({**manifest["files"][0], "path": path})
        data = json.dumps(manifest).encode()
        store.write(bucket, key, data)
        store.write(bucket, key.replace(".json", ".sha256"), f"{sha256(data).hexdigest()}  manifest.json\n".encode())
        digest = json.dumps({"digest": sha256(data).hexdigest()}).encode()
        store.write(bucket, "work/heads/releases/r/v1.json", digest)
        known, now = key.split("/")[3], f"v1-{sha256(data).hexdigest()[:12]}"
        for one in store.keys(bucket, f"work/releases/r/{known}/"):
            store.write(bucket, one.replace(known, now), store.read(bucket, one))
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
