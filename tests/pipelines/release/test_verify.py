"""A release proves itself, and whatever reads one refuses it where a byte is not what it was."""

import errno
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from flips import FLIPPED, SLOW
from proven import proven
from sealing import resealed
from typer.testing import CliRunner

from flows.cli import app
from flows.push import pack
from pipelines.export.rows import open_release
from pipelines.release.card import publish_card
from pipelines.release.verify import Proof, verify_release
from pipelines.release.versions import diff
from pipelines.report.origin import find_origin
from pipelines.sources.read import read_rows
from pipelines.sources.release import ReleaseSource
from pipelines.store.release_files import content_of
from pipelines.store.release_seal import digest_of, is_whole, read_manifest, sound
from schemas.errors import ConfigError, StoreError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {images: proven(tmp_path_factory.mktemp(images), images) for images in ("embed", "reference")}


@pytest.fixture(params=["embed", "reference"])
def release(request: pytest.FixtureRequest, made: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the release alone, without a workspace."""
    copy = tmp_path / "proven" / "v1"
    shutil.copytree(made[request.param], copy)
    return copy


def read_by(release: Path, elsewhere: Path) -> Iterator[Callable[[], object]]:
    """What reads a release."""
    source = ReleaseSource.model_validate({"name": "before", "path": str(release)})
    yield lambda: open_release(str(release), elsewhere)
    yield lambda: find_origin(str(release), elsewhere)
    yield lambda: publish_card(release, elsewhere / "cards")
    yield lambda: diff(release, release)
    yield lambda: pack(release, "lab/sums")
    yield lambda: source.attach(duckdb.connect(), elsewhere)


def names(proof: Proof) -> set[str]:
    return {one.file for one in proof.damage}


def files_of(release: Path) -> list[Path]:
    return sorted(path for path in release.rglob("*") if path.is_file())


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def test_a_release_proves_itself_without_its_workspace(release: Path) -> None:
    proof = verify_release(release)
    assert proof.holds, proof.text()
    assert [check.name for check in proof.checks] == [
        "manifest",
        "digest",
        "files",
        "rows",
        "loading",
        "images",
        "counts",
        "sums",
        "rollouts",
    ]
    assert "20 of 20 graded again" in proof.text()
    manifest = json.loads((release / "manifest.json").read_text())
    listed = {file["path"] for file in (*manifest["files"], *manifest["beside"])}
    there = {path.relative_to(release).as_posix() for path in files_of(release)}
    assert there - listed == {"manifest.json", "manifest.sha256"}, "every other file is under a hash"
    assert verify_release(release, f"sha256:{proof.digest}").holds
    other = verify_release(release, "0" * 64)
    assert not other.holds and "this is another release" in other.text()


def check_flips(release: Path, elsewhere: Path, each: int, seed: int) -> int:
    """Flip `each` bits of every file, one at a time: all are found, and whatever reads a release refuses it."""
    chance, found = random.Random(seed), 0
    for path in files_of(release):
        name, size = path.relative_to(release).as_posix(), path.stat().st_size
        for _ in range(each):
            place, bit = chance.randrange(size), chance.randrange(8)
            flip(path, place, bit)
            proof = verify_release(release)
            assert not proof.holds, (name, place, bit)
            assert names(proof) == {name} or name.startswith("manifest."), (name, place, bit)
            for read in read_by(release, elsewhere) if name != "README.md" else ():  # which nothing reads
                with pytest.raises(ConfigError, match=r"manifest.json" if "manifest" in name else name):
                    read()
            flip(path, place, bit)
            FLIPPED["file of a release"] += 1
            found += 1
    assert verify_release(release).holds
    return found


def test_a_flipped_bit_is_found_in_every_file(release: Path, tmp_path: Path) -> None:
    assert check_flips(release, tmp_path, each=3, seed=0) >= 30


@pytest.mark.slow
def test_thousands_of_flipped_bits_are_found(release: Path, tmp_path: Path) -> None:
    count, number = len(files_of(release)), SLOW["file of a release"] // 2  # of each of two releases
    assert check_flips(release, tmp_path, each=number // count + 1, seed=1) >= number


def _edited(release: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = release / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest, indent=2) + "\n")


HURT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a table is gone": (lambda r: (r / "rl" / "part-00000.parquet").unlink(), r"rl/part-00000.parquet is gone"),
    "a config is gone": (lambda r: shutil.rmtree(r / "rl"), r"rl/part-00000.parquet is gone"),
    "a table is cut off": (
        lambda r: os.truncate(r / "rl" / "part-00000.parquet", 99),
        r"rl/part-00000.parquet .* has 99 bytes, not [\d,]+",
    ),
    "another file": (lambda r: (r / "rl" / "part-00009.parquet").touch(), r"rl/part-00009.parquet is no part"),
    "a hidden config": (lambda r: shutil.copytree(r / "rl", r / ".more"), r".more/part-00000.parquet is no part"),
    "a linked folder": (lambda r: (r / "more").symlink_to(r / "rl"), r"more is a link to a folder"),
    "swapped tables": (
        lambda r: _swap(r / "rl" / "part-00000.parquet", r / "sft" / "part-00000.parquet"),
        r"(sft|rl)/part-00000.parquet is damaged or was changed",
    ),
    "rows in the manifest": (
        lambda r: _edited(r, lambda m: m["files"][0].update(rows=99)),
        r"manifest.json is damaged or was changed: manifest.sha256 beside it says",
    ),
    "no digest": (lambda r: (r / "manifest.sha256").unlink(), r"manifest.sha256 beside it is gone"),
    "no manifest": (lambda r: (r / "manifest.json").unlink(), r"no release|manifest.json cannot be read|is a folder"),
    "a card image": (lambda r: shutil.rmtree(r / "card_images"), r"card_images/[0-9a-f]+.png is gone"),
}


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize("how", HURT)
def test_damage_of_every_kind_is_a_sentence(made: dict[str, Path], tmp_path: Path, how: str) -> None:
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)
    hurt, words = HURT[how]
    hurt(release)
    proof = verify_release(release)
    assert not proof.holds
    for read in read_by(release, tmp_path / "elsewhere"):
        with pytest.raises(ConfigError, match=words):
            read()


def _recounted(manifest: dict[str, Any], rows: int) -> None:
    manifest["files"][0]["rows"] = rows
    manifest["content"] = content_of(manifest["files"])


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "content": (lambda m: m.update(content="0" * 64), "manifest.json says a `content` that is not that of its files"),
    "rows": (lambda m: _recounted(m, 99), r"has \d+ rows, and manifest.json says 99"),
    "statistics": (
        lambda m: m["statistics"]["configs"]["rl"].update(samples=99),
        r"says 99 of statistics.configs.rl.samples, and the tables come to \d+",
    ),
    "drops": (
        lambda m: next(s for s in m["steps"] if s["dropped"])["dropped"].update({"drop:easy": 99}),
        r"\d+ rows went into|counts 99 drops drop:easy",
    ),
    "re-grade": (lambda m: m["regraded"].update(graded=7), r"says 7 of the re-grade.graded, and the tables come to 20"),
    "counting": (lambda m: m.update(counted_by={}), "cannot be computed from the files: KeyError"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_manifest_that_was_sealed_again_is_still_held_to_the_tables(
    made: dict[str, Path], tmp_path: Path, what: str
) -> None:
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)
    before, (edit, words) = digest_of(release), FORGED[what]
    resealed(release, edit, truly=False)
    proof = verify_release(release)
    assert not proof.holds
    assert re.search(words, proof.text()), proof.text()
    assert not verify_release(release, before).holds, "and its digest is another"


def test_a_verdict_that_was_turned_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    """Somebody who seals everything again cannot make the reward agree."""
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)
    path = release / "rollouts" / "part-00000.parquet"
    table = pl.read_parquet(path)
    turned = {"right": "wrong", "wrong": "right"}
    first = pl.when(pl.int_range(pl.len()) == 0).then(pl.col("verdict").replace(turned)).otherwise("verdict")
    table.with_columns(verdict=first).write_parquet(path)
    resealed(release)
    proof = verify_release(release)
    assert not proof.holds
    assert "says" in proof.text() or "disagrees with curation about sample" in proof.text()


def test_a_copy_from_the_hub_lacks_extras_and_has_a_readme_of_its_own(made: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "downloaded"
    copy.mkdir()
    for name, data in pack(made["embed"], "lab/sums").files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data if isinstance(data, bytes) else data.read_bytes())
    (copy / ".gitattributes").write_text("*.parquet filter=lfs\n")
    digest = digest_of(made["embed"])
    assert digest in (copy / "README.md").read_text(), "the card on the Hub publishes the digest"
    proof = verify_release(copy, digest, "pushed")
    assert proof.holds, proof.text()
    assert "a push leaves out" in proof.text()
    strict = verify_release(copy)
    assert names(strict) >= {"README.md", ".gitattributes", "unfiltered/part-00000.parquet"}
    assert open_release(str(copy), tmp_path).files("rl")


@pytest.mark.parametrize("path", ["/etc/passwd", "../proven/v1/README.md", "", 7])
def test_a_manifest_from_elsewhere_names_no_file_outside(made: dict[str, Path], tmp_path: Path, path: Any) -> None:
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)
    resealed(release, lambda manifest: manifest["files"][0].update(path=path), truly=False)
    assert not verify_release(release).holds
    with pytest.raises(ConfigError, match=r"manifest.json is damaged or of another version"):
        open_release(str(release), tmp_path)


@pytest.mark.parametrize("where", [("statistics", "configs"), ("configs",)])
@pytest.mark.parametrize("name", [".cache", "../../private", "/etc", "rl/../../.."])
def test_a_config_from_elsewhere_is_no_folder_outside(
    made: dict[str, Path], tmp_path: Path, name: str, where: tuple[str, ...]
) -> None:
    """What lies there is under no hash, so that a push would send it, and a link in it lead anywhere."""
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)

    def edit(manifest: dict[str, Any]) -> None:
        held = manifest
        for key in where:
            held = held[key]
        held[name] = held["rl"]

    resealed(release, edit, truly=False)
    for read in read_by(release, tmp_path):
        with pytest.raises(ConfigError, match=r"manifest.json is damaged or of another version"):
            read()


def test_what_a_client_of_the_hub_keeps_there_is_read_by_nobody(made: dict[str, Path], tmp_path: Path) -> None:
    release = tmp_path / "proven" / "v1"
    shutil.copytree(made["embed"], release)
    (release / ".cache").mkdir()
    (release / ".cache" / "part-00000.parquet").symlink_to(made["embed"] / "rl" / "part-00000.parquet")
    assert not [name for name in pack(release, "lab/sums").files if ".cache" in name]
    assert ".cache" not in [name for name, _ in find_origin(str(release), tmp_path).configs()]
    assert ".cache" not in diff(release, release).rows["config"].to_list()


def test_the_command_says_a_line_a_check_and_ends_with_its_verdict(made: dict[str, Path], tmp_path: Path) -> None:
    release = made["embed"]
    named = ["verify-release", "proven@v1", "-w", str(release.parents[2])]
    done = CliRunner().invoke(app, named)
    assert done.exit_code == 0, done.output
    assert digest_of(release) in done.output
    assert all(len(line) <= 80 for line in done.output.splitlines()[:-1]), done.output
    told = json.loads(CliRunner().invoke(app, [*named, "--json"]).output)
    assert told["holds"] is True and told["digest"] == digest_of(release) and told["damage"] == []
    hurt = tmp_path / "v1"
    shutil.copytree(release, hurt)
    flip(hurt / "rl" / "part-00000.parquet", 100, 3)
    done = CliRunner().invoke(app, ["verify-release", str(hurt)])
    assert done.exit_code == 1
    assert "rl/part-00000.parquet is damaged or was changed" in done.output
    assert CliRunner().invoke(app, ["verify-release", "nothing", "-w", str(tmp_path)]).exit_code == 2


def test_another_format_is_explained(made: dict[str, Path], tmp_path: Path) -> None:
    old = tmp_path / "proven" / "v0"
    shutil.copytree(made["embed"], old)
    _edited(old, lambda manifest: manifest.update(format=1))
    (old / "manifest.sha256").unlink()
    with pytest.raises(ConfigError, match=r"is of format 1, and this curate reads format \d. Build its recipe again"):
        diff(old, made["embed"])


def test_a_release_in_a_folder_whose_name_is_a_pattern_is_not_that_of_another(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """To polars and DuckDB `runs[1]/` is also `runs1/`, whose tables are other ones here."""
    release, other = tmp_path / "runs[1]" / "proven" / "v1", tmp_path / "runs1" / "proven" / "v1"
    for folder in (release, other):
        shutil.copytree(made["embed"], folder)
    for table in other.glob("*/*.parquet"):
        pl.read_parquet(table, glob=False).head(0).write_parquet(table)
    assert verify_release(release).holds and not verify_release(other).holds
    assert diff(made["embed"], release).rows.is_empty()
    source = ReleaseSource.model_validate({"name": "before", "path": str(release), "config": "rl"})
    assert pl.concat(list(read_rows(source))).height == next(
        file["rows"] for file in read_manifest(release)["files"] if file["path"].startswith("rl/")
    )


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "part-00000.parquet"])
def test_a_release_that_nobody_can_read_now_is_not_damaged(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Else the next build would write it anew, by other code, under another digest than the published one."""

    def opens(path: object, *given: object, **named: object) -> object:
        if str(path).endswith(name):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return real(path, *given, **named)  # type: ignore[call-overload]

    real = io.open
    monkeypatch.setattr(io, "open", opens)
    with pytest.raises(StoreError, match=r"Cannot read .*: this process has too many files open"):
        sound(made["embed"], whole="whole")
    if name.startswith("manifest"):
        with pytest.raises(StoreError, match=r"Cannot read "):
            is_whole(made["embed"])
