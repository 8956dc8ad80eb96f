"""Releases next to each other: found by name, listed, compared; and what is said of those that are not whole."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from sealing import resealed
from tiny import built, config, digests, logged, manifest, release, write_source

from flows.push import pack
from pipelines.export.rows import open_release
from pipelines.job import Job
from pipelines.release.card import publish_card
from pipelines.release.versions import diff, find_release, list_releases
from pipelines.store.garbage import collect_garbage
from pipelines.store.release_seal import FORMAT
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError, StoreError

Copy = Callable[[Path], Path]
CHANGES = ("steps.select.budget=2", 'steps.release.rl.prompt="{{ question }} Answer in a word."')


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two releases: the second selects fewer, spells its prompts otherwise, and has two more samples."""
    folder = tmp_path_factory.mktemp("two")
    write_source(folder, 20)
    built(folder)
    more = write_source(folder, 22, "more.jsonl")
    built(folder, f"sources.scenes.path={more}", *CHANGES)
    return folder


def again(two: Path, out: Path, *overrides: str) -> Job:
    """The second release's build in another workspace, with something changed."""
    return built(two, f"sources.scenes.path={two / 'more.jsonl'}", *CHANGES, *overrides, out=out)


def test_a_release_is_found_by_name(two: Path) -> None:
    out = two / "out"
    assert find_release("tiny", out).name == "v2"
    assert find_release("tiny/v1", out).name == "v1"
    assert find_release(str(out / "releases" / "tiny" / "v1"), out).name == "v1"
    with pytest.raises(ConfigError, match=r"no release .tiny/v7.. Releases in .*: tiny/v1, tiny/v2"):
        find_release("tiny/v7", out)
    assert list_releases(out)[0]["release"].to_list() == ["tiny/v1", "tiny/v2"]


def test_every_row_that_came_went_or_changed_says_why(two: Path) -> None:
    old, new = (find_release(name, two / "out") for name in ("tiny/v1", "tiny/v2"))
    found = diff(old, new)
    assert ("steps.select.budget", 0.8, 2) in found.settings
    assert [key for key, *_ in found.settings if key.startswith("sources")] == ["sources.scenes.path"]
    before, after = (set(pl.read_parquet(p / "rl" / "*.parquet")["id"]) for p in (old, new))
    rl = found.rows.filter(config="rl")
    assert set(rl.filter(change="went")["id"]) == before - after
    assert set(rl.filter(change="came")["id"]) == after - before
    assert set(rl.filter(change="changed")["id"]) == before & after, "every prompt has other words"
    assert set(rl.filter(change="changed")["why"].str.contains("prompt")) <= {True}
    gone = pl.read_parquet(new / "dropped.parquet").filter(step="select")
    reasons = dict(gone.select("id", "reason").iter_rows())
    went = rl.filter(change="went").select("id", "why").rows()
    assert went
    assert all(why == reasons[id_] for id_, why in went)
    assert not diff(new, new).rows.height


def test_rows_of_one_sample_are_told_apart(two: Path, tmp_path: Path) -> None:
    """Two models' replies to one question have the same index: rows are matched by their own ids."""
    old, new = tmp_path / "old", tmp_path / "new"
    for place in (old, new):
        shutil.copytree(find_release("tiny/v1", two / "out"), place)
    table = pl.read_parquet(old / "sft" / "*.parquet")
    other = table.with_columns(row=pl.col("row").str.reverse(), teacher=pl.lit("other"))
    for place, rows in ((old, pl.concat([table, other])), (new, pl.concat([table, other.slice(1)]))):
        rows.write_parquet(place / "sft" / "part-00000.parquet")
        resealed(place)
    found = diff(old, new)
    assert found.rows.select("config", "id", "change").rows() == [("sft", other["id"][0], "went")]
    assert found.rows["why"].to_list() == ["another of its rows is there"]


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        (lambda steps: steps.insert(1, {"sql": {"as": "new"}}), [("steps.new", None, {"type": "sql", "as": "new"})]),
        (lambda steps: steps.reverse(), "order of steps"),
        (lambda steps: steps.pop(0), "steps.caption"),
    ],
)
def test_steps_are_compared_by_name(
    two: Path, tmp_path: Path, edit: Callable[[list[object]], object], wanted: object
) -> None:
    old, new = find_release("tiny/v1", two / "out"), tmp_path / "v9"
    shutil.copytree(old, new)
    resealed(new, lambda manifest: edit(manifest["recipe"]["steps"]))
    found = diff(old, new).settings
    assert found == wanted if isinstance(wanted, list) else [key for key, *_ in found] == [wanted]


def test_lost_images_are_read_from_their_source_again(two: Path, copy_of: Copy) -> None:
    out = copy_of(two)
    shutil.rmtree(out / "media")
    before = logged(out)
    again(two, out, "steps.release.rl.system=Once more.")
    assert logged(out) == before


@pytest.mark.parametrize("how", ["gone", "cut off", "manifest"])
def test_a_damaged_release_is_written_anew_in_its_place(two: Path, copy_of: Copy, how: str) -> None:
    out = copy_of(two)
    place = find_release("tiny/v2", out)
    original, table = digests(place), place / "rl" / "part-00000.parquet"
    if how == "gone":
        table.unlink()
    elif how == "cut off":
        table.write_bytes(table.read_bytes()[:-1])
    else:
        manifest_path = place / "manifest.json"
        manifest_path.write_text(manifest_path.read_text().replace('"seed": 0', '"seed": 1'))
    job = again(two, out)
    assert release(job) == place
    assert digests(place) == original
    [aside] = place.parent.glob(".damaged-v2-*")
    collect_garbage(Workspace(out))
    assert not aside.exists()


KEYS = dict.fromkeys(("content", "recipe", "statistics", "steps", "configs", "files", "examples")) | {"version": "v2"}
FAR = json.dumps({**KEYS, "format": FORMAT, "name": "../../esc"})


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"name": "tiny", "version": "v2"}', FAR])
def test_a_damaged_manifest_is_one_sentence(two: Path, copy_of: Copy, text: str, tmp_path: Path) -> None:
    out = copy_of(two)
    damaged = find_release("tiny/v2", out)
    (damaged / "manifest.json").write_text(text)
    asked: list[Callable[[], object]] = [
        lambda: diff(find_release("tiny/v1", out), damaged),
        lambda: publish_card(damaged, tmp_path / "cards"),
        lambda: open_release("tiny/v2", out),
        lambda: pack(damaged, "a/b"),
    ]
    for ask in asked:
        with pytest.raises(ConfigError, match=r"v2/manifest.json is damaged .* remove it and build"):
            ask()


def test_a_release_that_was_cut_short_is_not_exported(two: Path, copy_of: Copy) -> None:
    out = copy_of(two)
    cut = find_release("tiny", out)
    shutil.rmtree(cut / "control")
    assert open_release("tiny", out).files("rl"), "extras may be left out, as on the Hub"
    (cut / "rl" / "part-00000.parquet").unlink()
    with pytest.raises(ConfigError, match=r"rl/part-00000.parquet is gone. Copy .* again whole"):
        open_release("tiny", out)


def test_a_release_of_an_older_format_is_not_taken_for_the_same_content(two: Path, copy_of: Copy) -> None:
    out = copy_of(two)
    newest = find_release("tiny/v2", out)
    written = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps(written | {"format": FORMAT - 1}))
    (newest / "manifest.sha256").unlink()
    shutil.rmtree(out / "builds")
    job = again(two, out)
    assert release(job).name == "v3" and manifest(job)["content"] == written["content"]


def test_a_strange_folder_in_the_next_versions_place_is_one_sentence(two: Path, copy_of: Copy) -> None:
    out = copy_of(two)
    (out / "releases" / "tiny" / "v3").mkdir()
    with pytest.raises(StoreError, match=r"v3 is there, but it is not a release"):
        again(two, out, "steps.release.rl.system=Another.")


def test_images_beside_the_parquet_are_there_once(two: Path, copy_of: Copy) -> None:
    job = again(two, copy_of(two), "steps.release.images=reference")
    rows = config(job, "unfiltered")
    paths = rows["images"].list.eval(pl.element().struct.field("path")).explode()
    assert len(paths)
    assert all((release(job) / path).is_file() for path in paths)
    assert rows["images"].list.eval(pl.element().struct.field("bytes")).explode().null_count() == len(paths)
    assert manifest(job)["statistics"]["configs"]["unfiltered"]["images"] == len(paths)


def test_a_comparison_that_is_not_made_any_more_is_not_told(two: Path, copy_of: Copy) -> None:
    assert json.loads((find_release("tiny/v2", two / "out") / "manifest.json").read_text())["selection"]
    assert not manifest(again(two, copy_of(two), "steps.select.control=null"))["selection"]
