"""Single flipped bits in all that a build keeps beside its logs: never silently used."""

import errno
import io
import os
import random
from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny
import yaml
from flips import SLOW, in_turn
from tiny import write_source

from pipelines.explain.query import open_tables
from pipelines.job import Job
from pipelines.store.build_record import NAME, STEP_NAME, read_record
from pipelines.store.media import MediaStore
from pipelines.store.witness import Witness
from schemas.errors import MediaError, StoreError

STEPS: list[Any] = [
    "dedup",
    {"split": {"rl": 0.7, "holdout": 0.3}},
    {"sql": {"as": "long", "of": "sample", "gives": {"letters": "length(question)"}}},
    {"release": {"trainer": None, "rl": {"of": "sample", "columns": ["letters"]}, "holdout": {"of": "sample"}}},
]
OTHER = "steps.long.gives={letters: length(question) + 1}"
"""Makes the steps `long` and `release` read all tables again, and the images."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flips")
    source = {"type": "jsonl", "name": "scenes", "path": str(write_source(folder, 8))}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "sources": [source], "steps": STEPS}))
    return path


@pytest.fixture(scope="module")
def job(recipe: Path) -> Job:
    return recipe_build.built(recipe, recipe.parent / "ws")


def check_flips(job: Job, number: int, seed: int) -> None:
    """Every flip of a table, an image or the record is known before it is used."""
    folder, media = job.build.folder, MediaStore(job.build.workspace.media)
    record = read_record(folder)
    assert record is not None
    for path in in_turn(sorted(folder.glob("*/*.parquet")), number, seed, "table of a step"):
        assert [one.path for one in Witness(folder).suspects(record["steps"])] == [path]
    for path in in_turn(sorted(media.root.glob("??/??/*")), number, seed, "image"):
        with pytest.raises(MediaError, match="is damaged"):
            media.read(path.stem)
    for _ in in_turn([folder / NAME], number, seed, "build.json"):
        assert read_record(folder) in (None, record), "blanks say nothing"
    for path in in_turn(sorted(folder.glob(f"*/{STEP_NAME}")), number, seed, "record of a step"):
        found = read_record(folder)
        assert found is not None
        assert set(record["steps"]) - set(found["steps"]) <= {path.parent.name}
        assert all(found["steps"][name] == record["steps"][name] for name in found["steps"])


def check_builds(job: Job, recipe: Path, number: int, seed: int) -> None:
    """A build that reads what was flipped comes to the same release."""
    expected = tiny.digests(tiny.release(recipe_build.built(recipe, recipe.parent / "other", OTHER)))
    folder, media = job.build.folder, job.build.workspace.media
    names = [*folder.glob("*/*.parquet"), *media.glob("??/??/*"), *folder.glob(f"*/{STEP_NAME}"), folder / NAME]
    chance = random.Random(seed)
    for path in chance.sample(sorted(names), min(number, len(names))):
        recipe_build.built(recipe, job.build.workspace.root)
        for _ in in_turn([path], 1, seed, "file that a build reads"):
            found = recipe_build.built(recipe, job.build.workspace.root, OTHER)
            digests = tiny.digests(tiny.release(found))
            assert {n: d for n, d in digests.items() if n.endswith(("parquet", "png"))} == {
                n: d for n, d in expected.items() if n.endswith(("parquet", "png"))
            }, path


def test_flips_are_known_before_anything_is_read(job: Job) -> None:
    check_flips(job, 40, seed=0)


@pytest.mark.slow
def test_thousands_of_flips_are_known_before_anything_is_read(job: Job) -> None:
    check_flips(job, SLOW["image"], seed=1)


def test_more_than_five_thousand_bits_are_flipped() -> None:
    assert sum(SLOW.values()) >= 5_000


def test_a_build_on_flipped_files_comes_to_the_same(job: Job, recipe: Path) -> None:
    check_builds(job, recipe, 3, seed=0)


@pytest.mark.slow
def test_builds_on_many_flipped_files_come_to_the_same(job: Job, recipe: Path) -> None:
    check_builds(job, recipe, 30, seed=1)


def test_a_table_that_nobody_can_read_now_is_not_damaged(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def opens(path: object, *given: object, **named: object) -> object:
        if str(path).endswith(".parquet"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return real(path, *given, **named)  # type: ignore[call-overload]

    record, real = read_record(job.build.folder), io.open
    assert record is not None
    monkeypatch.setattr(io, "open", opens)
    with pytest.raises(StoreError, match=r"^Cannot read .*: this process has too many files open"):
        Witness(job.build.folder).check(record["steps"])


def lost(path: Path, how: str) -> None:
    """What a power cut makes of a file whose record was written: its bytes or its name never came to the disk."""
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(path.stat().st_size) if how == "zeros" else b"")


@pytest.mark.parametrize("how", ["zeros", "empty", "gone"])
def test_tables_that_a_power_cut_took_are_computed_again(job: Job, recipe: Path, how: str) -> None:
    """Of one step after the other, and of all at once: tables are not synced by their names, for their record knows them."""
    folder, space = job.build.folder, job.build.workspace.root
    recipe_build.built(recipe, space)
    expected = tiny.digests(tiny.release(recipe_build.built(recipe, recipe.parent / "other", OTHER)))
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    assert {"ingest", "selftest", "dedup", "split", "long", "release"} == set(names)
    for steps in ([name] for name in names) if how == "zeros" else ([names[0]], [names[-1]], names):
        recipe_build.built(recipe, space)
        taken = [path for step in steps for path in folder.glob(f"{step}/*.parquet")]
        for path in taken:
            lost(path, how)
        record = read_record(folder)
        assert record is not None
        assert {one.path for one in Witness(folder).suspects(record["steps"])} == set(taken)
        with pytest.raises(StoreError, match=r"is (damaged|gone)\. .* is computed anew"):
            recipe_build.opened(recipe, space).rows("sample")
        with pytest.raises(StoreError, match=r"is (damaged|gone)\. .* is computed anew"):
            open_tables(space)
        found = recipe_build.built(recipe, space, OTHER)
        digests = tiny.digests(tiny.release(found))
        assert {n: d for n, d in digests.items() if n.endswith("parquet")} == {
            n: d for n, d in expected.items() if n.endswith("parquet")
        }, steps
