"""What of a build is published: tables as they were written, and a record that a reader finds whatever comes next."""

import json
import logging
from pathlib import Path

import pytest
from object_store import ObjectStore, machine, working_copy
from served_build import Server, built, job

from pipelines.remote import head
from pipelines.remote import working_copy as working_copy_module
from pipelines.remote.places import place
from pipelines.store.garbage import collect_garbage
from pipelines.store.release_seal import digest_of
from pipelines.store.workspace import Workspace
from schemas.digests import SHORT, bytes_hash
from schemas.errors import StoreError

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""


def published(address: str, tables: dict[str, bytes], recipe: str = "r") -> str:
    """Publish a record of a step that wrote some tables; the record's hash."""
    copy = working_copy(address)
    folder = copy.root / "builds" / recipe
    (folder / "step").mkdir(parents=True, exist_ok=True)
    for name, data in tables.items():
        (folder / "step" / name).write_bytes(data)
    files = {name: [len(data), bytes_hash(data)[:SHORT]] for name, data in tables.items()}
    record = json.dumps({"files": files}).encode()
    (folder / "step" / "record.json").write_bytes(record)
    (folder / "build.json").write_text(json.dumps({"records": {"step": bytes_hash(record)[:SHORT]}}))
    copy.builds.take(recipe, "a-1-x", f"token of {recipe}", lambda owner: True)
    try:
        copy.builds.publish(recipe)
    finally:
        copy.builds.release(recipe)
    return bytes_hash((folder / "build.json").read_bytes())


def test_a_table_that_is_damaged_before_it_is_sent_is_told_of_set_aside_and_computed_anew(
    tmp_path: Path, address: str, store: ObjectStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        here = built(tmp_path, server, steps=STEPS)
        there = job(tmp_path, server, steps=STEPS, out=place(address))
        copy = working_copy(address)
        send, hurt = copy.builds._send, list[Path]()

        def flip(recipe: str, name: str, path: Path) -> None:
            if "/difficulty/rows" in name and not hurt:
                hurt.append(path)
                path.write_bytes(path.read_bytes()[:-1] + b"x")
            send(recipe, name, path)

        monkeypatch.setattr(copy.builds, "_send", flip)
        with caplog.at_level(logging.ERROR):
            there.run()
        assert [record.message for record in caplog.records].count(f"{hurt[0]} is damaged, and is computed anew.") == 1
        assert hurt[0].with_name(f".damaged-{hurt[0].name}").is_file()
        assert there.up_to_date()
        assert here.release is not None
        assert there.release is not None
        assert digest_of(there.release) == digest_of(here.release)
        assert len([key for key in store.keys(bucket) if "/difficulty/rows-" in key]) == 1


def test_a_reader_who_comes_while_another_record_is_published_has_one_of_them(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        published(address, {"rows-0000.parquet": bytes([number])})
    with machine(tmp_path / "reader"):
        reader = working_copy(address)
        reader.builds._etags.clear()
        get, late = reader.objects.get, [4, 5, 6]

        def slow(name: str):  # type: ignore[no-untyped-def]
            if name.startswith("records/") and late:
                with machine(tmp_path / "cache"):
                    for number in late:
                        published(address, {"rows-0000.parquet": bytes([number])})
                late.clear()
            return get(name)

        monkeypatch.setattr(reader.objects, "get", slow)
        (reader.root / "builds" / "r" / "build.json").unlink()
        reader.refresh()
        assert reader.builds.has(reader.root / "builds/r/step/rows-0000.parquet", bytes_hash(bytes([6]))[:SHORT])


@pytest.mark.parametrize("data", [b"[]", b"1", b'{"records": []}'])
def test_a_record_that_no_curate_wrote_counts_no_more(
    tmp_path: Path, address: str, store: ObjectStore, data: bytes
) -> None:
    bucket = address.split("/")[2]
    published(address, {"rows-0000.parquet": b"1"})
    head = json.loads(store.read(bucket, "work/heads/builds/r.json"))
    store.write(bucket, f"work/records/r/{bytes_hash(data)}.json", data)
    store.write(bucket, "work/heads/builds/r.json", json.dumps({**head, "record": bytes_hash(data)}).encode())
    with machine(tmp_path / "other"):
        assert not list(working_copy(address).root.glob("builds/r/*"))


def test_heads_of_odd_names_are_nobodys(address: str, store: ObjectStore, tmp_path: Path) -> None:
    bucket = address.split("/")[2]
    names = ("releases/r.json", "releases/r/x.json", "releases/r/v1/v2.json", "releases/R x/v1.json", "builds/a/b.json",
             "builds/.x.json", "builds/x", "releases/r/v1", "x.json", "x/y/z")  # fmt: skip
    for name in names:
        store.write(bucket, f"work/heads/{name}", b"anything")
    copy = working_copy(address)
    assert not list(copy.root.rglob("*"))
    published(address, {"rows-0000.parquet": b"1"})
    with machine(tmp_path / "other"):
        collect_garbage(Workspace(place(address)))
    assert {f"work/heads/{name}" for name in names} <= set(store.keys(bucket))


def test_what_a_crash_of_the_machine_lost_of_the_notes_is_sent_by_the_next_build(
    address: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket, copy = address.split("/")[2], working_copy(address)
    copy.begin()
    image, hurt = b"an image", "ab" * 32
    digest = bytes_hash(image)
    files = {
        f"media/{digest[:2]}/{digest[2:4]}/{digest}.png": image,
        f"media/{hurt[:2]}/{hurt[2:4]}/{hurt}.png": b"",  # its bytes went too
        "log/completions/part-x.parquet": b"answers",
        "log/completions/journal-x.jsonl": b"of this machine",
    }
    for name, data in files.items():
        (copy.root / name).parent.mkdir(parents=True, exist_ok=True)
        (copy.root / name).write_bytes(data)
    copy.begin()
    assert not store.keys(bucket, "work/media")  # nothing noted, nothing lost
    monkeypatch.setattr(working_copy_module, "start_of_machine", lambda: "another")
    copy.begin()
    sent = {key.removeprefix("work/") for key in store.keys(bucket) if "/heads/" not in key}
    assert sent == {name for name, data in files.items() if data in (image, b"answers")}


def test_a_holder_who_was_taken_for_dead_cannot_publish_what_gc_removed(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"BEAT": 0.2, "LEASE": 1.0, "LOOK_SECONDS": 0.05}.items():
        monkeypatch.setattr(head, name, seconds)
    published(address, {"rows-0000.parquet": b"1"})
    stale = working_copy(address)
    table = stale.root / "builds/r/step/rows-0000.parquet"
    stale.builds.take("r", "elsewhere-1-x", "stale", lambda owner: True)
    stale.builds._held["r"]._ended.set()
    table.write_bytes(b"2")
    stale.builds.send_table(table, bytes_hash(b"2")[:SHORT])
    head._HELD.clear()  # as another process sees it
    with machine(tmp_path / "other"):
        gone = {one.path.name for one in collect_garbage(Workspace(place(address)))}
    assert f"rows-0000-{bytes_hash(b'2')[:SHORT]}.parquet" in gone
    with pytest.raises(StoreError, match="taken over"):
        stale.builds.publish("r")
    stale.builds.release("r")


def test_gc_removes_nothing_of_a_build_that_is_published_while_it_waits_for_it(
    tmp_path: Path, address: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(address, {"rows-0000.parquet": b"1"})
    with machine(tmp_path / "other"):
        tidier = working_copy(address)
        take = head.Head.take

        def late(self, owner: str, token: str) -> None:  # type: ignore[no-untyped-def]
            take(self, owner, token)
            if self._name == working_copy_module.TIDYING:
                with machine(tmp_path / "cache"):
                    published(address, {"rows-0000.parquet": b"2"})

        monkeypatch.setattr(head.Head, "take", late)
        gone = {one.path.name for one in collect_garbage(Workspace(tidier.root))}
    assert f"rows-0000-{bytes_hash(b'1')[:SHORT]}.parquet" in gone
    assert f"rows-0000-{bytes_hash(b'2')[:SHORT]}.parquet" not in gone
    kept = [key for key in store.keys(address.split("/")[2]) if "/rows-0000-" in key]
    assert [key.rpartition("-")[2] for key in kept] == [f"{bytes_hash(b'2')[:SHORT]}.parquet"]
