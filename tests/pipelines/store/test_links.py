"""A workspace of somebody else, in which links lead to folders of one's own."""

import os
from pathlib import Path

import pytest
from recipe_build import built, sums, write_recipe

from pipelines.explain.preview import preview
from pipelines.job import compile_recipe, open_job
from pipelines.preflight import check
from pipelines.store.garbage import collect_garbage
from pipelines.store.media import MediaStore
from pipelines.store.workspace import Workspace, write_json
from schemas.errors import ConfigError

WRITTEN = (
    ".lock", "log", "log/completions", "log/completions/.scratch", "log/prompts/.scratch", "media", "evaluation_sets",
    "builds", "builds/tiny", "builds/tiny/.scratch", "builds/tiny/old", "builds/tiny/ingest", "builds/tiny/build.json",
    "releases", "releases/tiny",
)  # fmt: skip
"""Where a build writes, or clears up."""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of one's own with a file in a folder, below which nothing may change."""
    (tmp_path / "mine" / "ab" / "cd").mkdir(parents=True)
    (tmp_path / "mine" / "ab" / "cd" / "photo.jpg").write_bytes(b"mine")
    return tmp_path / "mine"


def as_it_was(mine: Path) -> bool:
    found = [path.relative_to(mine).as_posix() for path in sorted(mine.rglob("*"))]
    return found == ["ab", "ab/cd", "ab/cd/photo.jpg"]


def linked(workspace: Path, place: str, mine: Path) -> Path:
    """A workspace with a link, as an archive or a repository brings it along."""
    for folder in ("log", "builds"):
        if place != folder:
            (workspace / folder).mkdir(parents=True)
    link = workspace / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(mine, link.parent))
    return workspace


@pytest.mark.parametrize("place", WRITTEN)
def test_no_build_writes_or_clears_up_through_a_link(tmp_path: Path, mine: Path, place: str) -> None:
    recipe = write_recipe(tmp_path, ["dedup"], sums(2))
    workspace = linked(tmp_path / "out", place, mine)
    with pytest.raises(ConfigError, match=r"leads out of .* by a link"):
        built(recipe, workspace)
    assert as_it_was(mine)


@pytest.mark.parametrize("place", ["log/completions/.scratch", "log/embeddings", "media", ".lock"])
def test_no_preview_does(tmp_path: Path, mine: Path, place: str) -> None:
    job = open_job(
        compile_recipe(str(write_recipe(tmp_path, ["dedup"], sums(2)))), linked(tmp_path / "out", place, mine)
    )
    with pytest.raises(ConfigError, match=r"leads out of .* by a link"):
        preview(job, check)
    assert as_it_was(mine)


@pytest.mark.parametrize("place", [*WRITTEN, "media/ab", "media/ab/cd", "builds/other", "exports/tiny", "reports"])
def test_gc_removes_nothing_behind_a_link(tmp_path: Path, mine: Path, place: str) -> None:
    workspace = linked(tmp_path / "out", place, mine)
    with pytest.raises(ConfigError, match=r"leads out of .* by a link"):
        collect_garbage(Workspace(workspace))
    assert as_it_was(mine)


def test_damaged_images_behind_a_link_are_not_set_aside(tmp_path: Path, mine: Path) -> None:
    workspace = linked(tmp_path / "out", "media/ab", mine / "ab")
    with pytest.raises(ConfigError, match=r"leads out of .* by a link"):
        MediaStore(workspace / "media").set_aside()
    assert as_it_was(mine)


def test_a_workspace_may_be_a_link_itself_and_hold_links_of_its_own(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, ["dedup"], sums(2))
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    built(recipe, tmp_path / "out")
    (tmp_path / "disk" / "latest").symlink_to("builds/tiny")
    built(recipe, tmp_path / "out")
    collect_garbage(Workspace(tmp_path / "out"))


def test_what_is_written_follows_no_link_in_its_place(tmp_path: Path, mine: Path) -> None:
    photo = mine / "ab" / "cd" / "photo.jpg"
    (tmp_path / f".a.json.{os.getpid()}.tmp").symlink_to(photo)
    write_json({}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "{}\n" and photo.read_bytes() == b"mine"
