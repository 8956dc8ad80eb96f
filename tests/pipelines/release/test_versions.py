"""Releases next to each other: found by name, listed, compared; what may be thrown away, and what may not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from pipelines.build import run_build

from flows.push import pack
from pipelines.export.rows import open_release
from pipelines.recipe.document import load_document
from pipelines.recipe.fork import fork
from pipelines.release.card import publish_card
from pipelines.release.versions import diff, find_release, list_releases
from pipelines.store import garbage
from pipelines.store.garbage import collect_garbage
from pipelines.store.scratch import SCRATCH, scratch
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError, StoreError

Copy = Callable[[Path], Path]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    """A folder with two releases: the second selects fewer, spells its prompts otherwise, and has two more samples."""
    folder = tmp_path_factory.mktemp("two")
    tiny.write_source(folder, 20)
    run_build(tiny.make(folder))
    more = tiny.write_source(folder, 22, "more.jsonl")
    run_build(tiny.make(folder, f"sources.0.path={more}", "select.budget=2", "release.suffix= Answer in a word."))
    return folder


def test_a_release_is_found_by_name(two: Path) -> None:
    out = two / "out"
    assert find_release("tiny", out).name == "v2"
    assert find_release("tiny/v1", out).name == "v1"
    assert find_release(str(out / "releases" / "tiny" / "v1"), out).name == "v1"
    with pytest.raises(ConfigError, match=r"no release .tiny/v7.. Releases in .*: tiny/v1, tiny/v2"):
        find_release("tiny/v7", out)
    assert list_releases(out)["release"].to_list() == ["tiny/v1", "tiny/v2"]


def test_every_row_that_came_went_or_changed_says_why(two: Path) -> None:
    old, new = (find_release(name, two / "out") for name in ("tiny/v1", "tiny/v2"))
    found = diff(old, new)
    assert ("select.budget", 0.8, 2) in found.settings
    before, after = (set(pl.read_parquet(p / "rl" / "*.parquet")["id"]) for p in (old, new))
    rl = found.rows.filter(pl.col("config") == "rl")
    assert set(rl.filter(pl.col("change") == "went")["id"]) == before - after
    assert set(rl.filter(pl.col("change") == "came")["id"]) == after - before
    assert set(rl.filter(pl.col("change") == "changed")["id"]) == before & after, "every prompt has a new suffix"
    assert set(rl.filter(pl.col("change") == "changed")["why"].str.contains("prompt")) <= {True}
    gone = pl.read_parquet(new / "dropped.parquet").filter(pl.col("stage") == "select")
    reasons = dict(gone.select("id", "reason").iter_rows())
    for id_, why in rl.filter(pl.col("change") == "went").select("id", "why").iter_rows():
        assert why == reasons[id_]
    assert not diff(new, new).rows.height


def test_gc_touches_nothing_that_a_release_or_a_build_names(
    two: Path, tiny: SimpleNamespace, copy_of: Copy, tmp_path: Path
) -> None:
    out = copy_of(two)
    space = Workspace(out)
    before = tiny.logged(out)
    stray = out / "media" / "ab" / "cd" / f"{'ab' * 32}.png"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"stray")
    half = out / "releases" / "tiny" / ".new-1"
    half.mkdir()
    spilled = [out / where / SCRATCH / "dead" for where in ("log/completions", "builds/tiny/rollouts")]
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
    assert tiny.logged(out) == before
    original = tiny.digests(find_release("tiny/v1", out))
    shutil.rmtree(out / "releases")
    shutil.rmtree(out / "builds")
    run_build(tiny.make(two, out=out, replay=True))
    assert tiny.digests(find_release("tiny/v1", out)) == original, "the log still replays the first release"


def test_gc_and_builds_keep_out_of_each_others_way(
    two: Path, tiny: SimpleNamespace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a recipe's first build, whose pictures no table names yet."""
    out = copy_of(two)
    space = Workspace(out)
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


def test_a_lost_picture_is_a_sentence_whose_cure_cures(two: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(two)
    changed = (f"sources.0.path={two / 'more.jsonl'}", "select.budget=2", "release.suffix= Once more.")
    shutil.rmtree(out / "media")
    with pytest.raises(StoreError, match=r"has no file for .* Remove .*builds and build again"):
        run_build(tiny.make(two, *changed, out=out))
    before = tiny.logged(out)
    shutil.rmtree(out / "builds")
    run_build(tiny.make(two, *changed, out=out))
    assert tiny.logged(out) == before


FAR = json.dumps({**dict.fromkeys(("content", "recipe", "statistics", "stages", "files", "examples")), "version": "v2"})


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", '{"name": "tiny", "version": "v2"}', FAR[:-1] + ', "name": "../../esc"}']
)
def test_a_damaged_manifest_is_one_sentence(two: Path, copy_of: Copy, text: str, tmp_path: Path) -> None:
    out = copy_of(two)
    release = find_release("tiny/v2", out)
    (release / "manifest.json").write_text(text)
    asked: list[Callable[[], object]] = [
        lambda: list_releases(out),
        lambda: diff(find_release("tiny/v1", out), release),
        lambda: publish_card(release, tmp_path / "cards"),
        lambda: open_release("tiny/v2", out),
        lambda: pack(release, "a/b"),
    ]
    for ask in asked:
        with pytest.raises(ConfigError, match=r"v2/manifest.json is damaged .* remove it and build"):
            ask()


def test_a_release_that_was_cut_short_is_not_exported(two: Path, copy_of: Copy) -> None:
    out = copy_of(two)
    release = find_release("tiny", out)
    shutil.rmtree(release / "control")
    assert open_release("tiny", out).files("rl"), "extras may be left out, as on the Hub"
    (release / "rl" / "part-00000.parquet").unlink()
    with pytest.raises(ConfigError, match=r"rl/part-00000.parquet is not what the release was made of"):
        open_release("tiny", out)


def test_a_strange_folder_in_the_next_versions_place_is_one_sentence(
    two: Path, tiny: SimpleNamespace, copy_of: Copy
) -> None:
    out = copy_of(two)
    (out / "releases" / "tiny" / "v3").mkdir()
    with pytest.raises(StoreError, match=r"v3 is there, but it is no release of ours"):
        run_build(tiny.make(two, "release.suffix= Another.", out=out))


def test_pictures_beside_the_parquet_are_there_once(two: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(two)
    run_build(tiny.make(two, "release.images=reference", out=out))
    release = find_release("tiny", out)
    manifest = json.loads((release / "manifest.json").read_text())
    rows = pl.read_parquet(release / "unfiltered" / "*.parquet")
    paths = rows["images"].list.eval(pl.element().struct.field("path")).explode()
    assert all((release / path).is_file() for path in paths)
    assert rows["images"].list.eval(pl.element().struct.field("bytes")).explode().null_count() == len(paths)
    assert manifest["statistics"]["configs"]["unfiltered"]["pictures"] == len(paths)


def test_a_fork_is_the_same_recipe_under_another_name(tmp_path: Path) -> None:
    path = fork("quickstart", "mine", tmp_path)
    assert "# Real images" in path.read_text()
    mine, theirs = load_document(str(path)), load_document("quickstart")
    assert mine.name == "mine"
    assert mine.to_json() == {**theirs.to_json(), "name": "mine"}
    with pytest.raises(ConfigError, match="is there already"):
        fork("quickstart", "mine", tmp_path)
    with pytest.raises(ConfigError, match="is named 'quickstart' already, and both would share their builds"):
        fork("quickstart", "quickstart", tmp_path)
    with pytest.raises(ConfigError, match="cannot name a recipe"):
        fork("quickstart", "My Recipe", tmp_path)


def test_a_fork_makes_its_folder_or_says_why_not(tmp_path: Path) -> None:
    assert fork("quickstart", "mine", tmp_path / "not" / "there").is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        fork("quickstart", "mine", tmp_path / "file")
