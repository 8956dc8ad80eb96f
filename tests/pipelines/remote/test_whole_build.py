"""A build whose workspace lies in an object store: the same release to the byte, and nothing is asked twice anywhere."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from object_store import ObjectStore, machine, working_copy
from served_build import Server, built, job

from pipelines.explain.query import run_query
from pipelines.release.versions import find_release, list_releases
from pipelines.remote.places import place
from pipelines.run.bucket import compute
from pipelines.store.release_seal import digest_of, sound
from schemas.errors import ConfigError, StoreError

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}}
"""
ASKED = 3


def test_a_build_there_is_the_build_here_and_no_other_machine_asks_again(tmp_path: Path, address: str) -> None:
    with Server() as server:
        here = built(tmp_path, server, steps=STEPS)
        assert here.release is not None
        digest = digest_of(here.release)
        there = built(tmp_path, server, steps=STEPS, out=place(address))
        assert there.release is not None
        assert digest_of(there.release) == digest
        asked = server.asked
        assert job(tmp_path, server, steps=STEPS, out=place(address)).up_to_date()
        with machine(tmp_path / "other"):
            again = job(tmp_path, server, steps=STEPS, out=place(address))
            assert again.up_to_date()
            assert not list(again.build.folder.glob("rollout/*.parquet"))  # a build with nothing to do fetches no table
            assert again.release is not None
            assert digest_of(again.release) == digest
            assert "3" in run_query(place(address), "SELECT count(*) FROM samples")
            assert "6" in run_query(place(address), "SELECT count(*) FROM completions")
            assert find_release("r", place(address)).name == "v1"
            assert sound(find_release("r@v1", place(address)))["version"] == "v1"
            assert list_releases(place(address))[0].height == 1
            more = STEPS.replace("  - release", "  - drop: {of: sample, if: {none: difficulty.k = 99}}\n  - release")
            built(tmp_path, server, steps=more, out=place(address))
        shutil.rmtree(tmp_path / "cache")
        with machine(tmp_path / "cache"):
            last = built(tmp_path, server, steps=STEPS, out=place(address))
            assert last.release is not None
            assert digest_of(last.release) == digest
        assert server.asked == asked


def test_a_store_that_goes_away_is_a_sentence_and_costs_nothing(
    tmp_path: Path, address: str, store: ObjectStore
) -> None:
    with Server() as server:
        here = built(tmp_path, server, steps=STEPS)
        before, plain = server.asked, server.answer

        def last_words(body):  # type: ignore[no-untyped-def]
            if server.asked == before + ASKED:
                store.stop()
            return plain(body)

        server.answer = last_words
        with pytest.raises(StoreError, match=r"cannot be reached .* Nothing is lost"):
            built(tmp_path, server, steps=STEPS, out=place(address))
        store.start()
        server.answer = plain
        there = built(tmp_path, server, steps=STEPS, out=place(address))
        assert server.asked == before + ASKED
        assert here.release is not None
        assert there.release is not None
        assert digest_of(there.release) == digest_of(here.release)
        with machine(tmp_path / "other"):
            assert job(tmp_path, server, steps=STEPS, out=place(address)).up_to_date()


def test_a_bucket_that_was_emptied_is_filled_again(tmp_path: Path, address: str, store: ObjectStore) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        first = built(tmp_path, server, steps=STEPS, out=place(address))
        assert first.release is not None
        digest, asked = digest_of(first.release), server.asked
        store.empty(bucket)
        with machine(tmp_path / "cache"):
            again = job(tmp_path, server, steps=STEPS, out=place(address))
            assert not again.up_to_date()
            again.run()
        with machine(tmp_path / "other"):
            again = job(tmp_path, server, steps=STEPS, out=place(address))
            assert again.up_to_date()
            assert again.release is not None
            assert digest_of(again.release) == digest
            assert again.build.log.scan().collect().height == 6
        assert server.asked == asked


def test_two_builds_at_once_are_refused_in_a_sentence(tmp_path: Path, address: str) -> None:
    with Server() as server:
        copy = working_copy(address)
        first = job(tmp_path, server, steps=STEPS, out=copy.root)
        first.build.workspace.prepare("r")
        refused = pytest.raises(ConfigError, match=r"Another build of 'r' is running.*by the lease in s3://")
        with first.build.workspace.lock("r"), machine(tmp_path / "other"), refused:
            built(tmp_path, server, steps=STEPS, out=place(address))
        built(tmp_path, server, steps=STEPS, out=place(address))


def test_a_damaged_object_is_found_by_its_hash(tmp_path: Path, address: str, store: ObjectStore) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        built(tmp_path, server, steps=STEPS, out=place(address))
        asked = server.asked
        [part] = store.keys(bucket, "work/log/completions/part-")
        [table] = store.keys(bucket, "work/builds/r/rollout/rows-")
        for key in (part, table):
            data = bytearray(store.read(bucket, key))
            for at in range(4, len(data) // 2, 16):
                data[at] ^= 1
            store.write(bucket, key, bytes(data))
        with machine(tmp_path / "other"):
            more = STEPS.replace("  - verify", "  - drop: {of: rollout, if: {none: text = 'x'}}\n  - verify")
            again = built(tmp_path, server, steps=more, out=place(address))
            assert server.asked == asked + ASKED
            assert again.release is not None
            assert pl.read_parquet(sorted(again.release.glob("rl/*.parquet"))).height == 3
        assert any("/aside-part-" in key for key in store.keys(bucket))
        assert not [key for key in store.keys(bucket) if key == part] or store.read(bucket, part) != bytes(data)


def test_another_machine_helps_with_a_build_and_the_first_publishes_what_it_computed(
    tmp_path: Path, address: str, store: ObjectStore
) -> None:
    bucket = address.split("/")[2]
    with Server() as server:
        first = built(tmp_path, server, steps=STEPS, out=place(address))
        [table] = store.keys(bucket, "work/builds/r/verify/rows-")
        step = first.compiled.pipeline.step("verify")
        with first.build.workspace.lock("r"):
            runner = first.runner
            runner.record.begin(step, [0])
            shutil.rmtree(first.build.folder / "verify")
            fingerprint, inputs = runner.record.fingerprint(step), runner.record.inputs(step, 0)
            with machine(tmp_path / "other"):
                helper = job(tmp_path, server, steps=STEPS, out=place(address)).runner.context("verify", fingerprint)
                assert helper.build.folder != first.build.folder
                found = compute(helper, 0, inputs, None, lambda rows: None)
            record = {**first.records()[3], "buckets": {"0": found.part}}
            assert record["step"] == "verify"
            runner.record.put(step, record)
            assert not list(first.build.folder.glob("verify/*.parquet"))
            assert not runner.record.stale(step)
        assert [table] == store.keys(bucket, "work/builds/r/verify/rows-")
        assert first.rows("rollout", ["correct"]).height == 6
