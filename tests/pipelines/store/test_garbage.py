"""What may be thrown away of a workspace, and what may not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import built, digests, logged, write_source

from pipelines.release.versions import find_release
from pipelines.store import garbage, part_file, part_folder, witness
from pipelines.store.garbage import collect_garbage
from pipelines.store.scratch import SCRATCH, scratch
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

Copy = Callable[[Path], Path]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build of a few samples and its release."""
    folder = tmp_path_factory.mktemp("finished")
    write_source(folder, 8)
    built(folder)
    return folder


def test_gc_touches_nothing_that_a_release_or_a_build_names(finished: Path, copy_of: Copy) -> None:
    out = copy_of(finished)
    space = Workspace(out)
    before = logged(out)
    stray = out / "media" / "ab" / "cd" / f"{'ab' * 32}.png"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"stray")
    half = out / "releases" / "tiny" / ".new-1"
    half.mkdir()
    spilled = [out / where / SCRATCH / "dead" for where in ("log/completions", "builds/tiny/rollout")]
    for folder in spilled:
        folder.mkdir(parents=True)
        (folder / "run-0.arrow").write_bytes(b"spilled")
    named = {p.name for p in (out / "media").glob("??/??/*")} - {stray.name}
    assert {g.path for g in collect_garbage(space, dry_run=True)} == {stray, half, *spilled}
    assert stray.exists()
    with scratch(out / "log" / "completions") as living:
        collect_garbage(space)
        assert living.exists(), "somebody plans or reads beside us"
    assert not any(path.exists() for path in (stray, half, *spilled))
    assert {p.name for p in (out / "media").glob("??/??/*")} == named
    assert len(list((out / "log" / "completions").glob("part-*.parquet"))) == 1
    assert logged(out) == before
    original = digests(find_release("tiny/v1", out))
    shutil.rmtree(out / "releases")
    shutil.rmtree(out / "builds")
    built(finished, out=out, replay=True)
    assert digests(find_release("tiny/v1", out)) == original, "the log still replays the release"


def test_gc_hashes_only_what_names_images_and_what_it_joins(
    finished: Path, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither texts nor releases nor large parts, which are most of a workspace."""
    out, read = copy_of(finished), list[str]()
    real, span = witness.file_hash, part_file.span_hash

    def noted(path: Path) -> str:
        read.append(str(path.relative_to(out)))
        return real(path)

    def noted_span(file: Any, start: int, size: int) -> str:
        read.append(str(Path(file.name).relative_to(out)))
        return span(file, start, size)

    part_folder._PROOFS.clear()
    monkeypatch.setattr(witness, "file_hash", noted)
    monkeypatch.setattr(part_file, "span_hash", noted_span)
    monkeypatch.setattr(garbage, "SMALL", 1)
    collect_garbage(Workspace(out))
    assert "builds/tiny/ingest/rows-0000.parquet" in read
    assert [path for path in read if not path.startswith("builds/tiny/")] == []
    texts = [path for path in read if path.startswith(("builds/tiny/rollout/", "builds/tiny/distill/"))]
    assert [path for path in texts if not path.endswith("/record.json")] == []


def test_gc_and_builds_keep_out_of_each_others_way(
    finished: Path, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a recipe's first build, whose images no table names yet."""
    space = Workspace(copy_of(finished))
    space.prepare("new")
    with space.lock("new"), space.lock("tiny"), pytest.raises(ConfigError, match="A build is running"):
        collect_garbage(space)
    refused = []

    def named(workspace: Workspace) -> set[str]:
        with pytest.raises(ConfigError, match="gc` is running"), workspace.lock("new"):
            pass
        refused.append("new")
        return set()

    monkeypatch.setattr(garbage, "_named", named)
    collect_garbage(space, dry_run=True)
    assert refused == ["new"]


def test_gc_of_a_workspace_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no workspace .*none\. Name the one"):
        collect_garbage(Workspace(tmp_path / "none"))
    assert not list(tmp_path.iterdir())
