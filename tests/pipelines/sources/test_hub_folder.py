"""A dataset of somebody else reads its own files and no others, whatever its settings and links say."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import pytest

from pipelines.sources import unpacking
from pipelines.sources.files import CsvSource, JsonlSource
from pipelines.sources.hub_folder import check_files
from pipelines.sources.huggingface import HuggingFaceSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.read import check_source, count_rows, read_rows
from pipelines.sources.section import SourceSection
from schemas.errors import ConfigError

ROW = json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n"
CARDS = {
    "absolute": "configs: [{config_name: default, data_files: PLACE/private.jsonl}]",
    "parent": "configs: [{config_name: default, data_files: [{split: train, path: ../private.jsonl}]}]",
    "pattern": "configs: [{config_name: default, data_files: {train: ['**/../../priv*.jsonl']}}]",
    "data_dir": "configs: [{config_name: default, data_dir: ../}]",
    "address": "configs: [{config_name: default, data_files: 'http://127.0.0.1:9/x.jsonl'}]",
    "other repository": "configs: [{config_name: default, data_files: 'hf://datasets/a/b/x.jsonl'}]",
    "chain": "configs: [{config_name: default, data_files: 'zip://x.jsonl::/a.zip'}]",
    "second": "configs: [{config_name: a, data_files: a.jsonl}, {config_name: b, data_files: /etc/passwd}]",
    "alias": "x: &x [/etc/passwd]\nconfigs: [{config_name: default, data_files: *x}]",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "private.jsonl").write_text(ROW)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text(ROW)
    return tmp_path / "data"


def _refused(source: SourceSection, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        check_source(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("card", CARDS)
def test_settings_that_name_other_files_are_refused(folder: Path, card: str, name: str) -> None:
    settings = CARDS[card].replace("PLACE", str(folder.parent))
    (folder / name).write_text(f"---\n{settings}\n---\n" if name == "README.md" else settings)
    source = HuggingFaceSource(name="t", path=str(folder))
    _refused(source, r"Source 't': \S+ of the dataset .* names .* may only name files below its own folder")


def test_settings_that_name_own_files_are_read(folder: Path) -> None:
    (folder / "b.jsonl").write_text(ROW * 3)
    (folder / "README.md").write_text(
        "---\nconfigs: [{config_name: default, data_files: [{split: train, path: b.jsonl}]}]\n---\n"
    )
    assert count_rows(HuggingFaceSource(name="t", path=str(folder))) == 3


def test_aliases_of_aliases_in_a_card_take_no_time(folder: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    (folder / ".huggingface.yaml").write_text(
        "\n".join([*lines, "configs: [{config_name: c, data_files: *a39, data_dir: ..}]"])
    )
    _refused(HuggingFaceSource(name="t", path=str(folder)), "may only name files below its own folder")


def test_a_saved_dataset_that_names_other_files_is_refused(folder: Path) -> None:
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../private.arrow"}]}))
    _refused(HuggingFaceSource(name="t", path=str(folder)), r"state\.json .* may only name files")
    (folder / "state.json").unlink()
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "../other"]}))
    _refused(HuggingFaceSource(name="t", path=str(folder)), r"dataset_dict\.json .* may only name files")


def test_a_dataset_of_the_hub_names_its_own_files_only() -> None:
    check_files("t", "a/b", ["hf://datasets/a/b@0123/data/train.parquet"])
    for file in ("/etc/passwd", "hf://datasets/c/d@0123/x", "http://x/y", "hf://datasets/a/b@0123/../../c/d@1/x"):
        with pytest.raises(ConfigError, match="may only name its own files"):
            check_files("t", "a/b", [file])


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv", "a.zip"])
def test_files_that_unpack_without_end_are_refused(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE", 1 << 20)
    if name.endswith(".zip"):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("b.jsonl", ROW * 100_000)
    else:  # what `datasets` unpacks it knows by its first bytes, not by its name
        (folder / name).write_bytes(gzip.compress(ROW.encode() * 100_000))
    _refused(HuggingFaceSource(name="t", path=str(folder)), f"{name}' unpacks to more than 200 times its own size")


def test_packings_whose_size_is_not_known_are_refused(folder: Path) -> None:
    for name, data in {
        "b.xz": lzma.compress(b"x"),
        "b.jsonl": bz2.compress(b"x"),
        "b.7z": b"7z\xbc\xaf\x27\x1c",
    }.items():
        (folder / name).write_bytes(data)
        _refused(HuggingFaceSource(name="t", path=str(folder)), "is packed by .*; unpack it, or use .gz")
        (folder / name).unlink()


def test_links_that_were_found_and_lead_out_are_refused(folder: Path) -> None:
    (folder / "z.jsonl").symlink_to("../private.jsonl")
    words = r"z\.jsonl' is a link that leads out of the folder .* name that file in 'path'"
    _refused(JsonlSource(name="t", path=str(folder)), words)
    _refused(JsonlSource(name="t", path=str(folder / "*.jsonl")), words)
    _refused(JsonlSource(name="t", path=str(folder / "**/*.jsonl")), words)
    _refused(HuggingFaceSource(name="t", path=str(folder)), words)
    named = JsonlSource(name="t", path=str(folder / "z.jsonl"))
    assert sum(rows.height for rows in read_rows(named)) == 1, "who names a link means what it leads to"


def test_a_folder_that_is_a_link_out_is_refused(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "b.csv").write_text("question,answer\nq,a\n")
    (folder / "inner").symlink_to("../other")
    _refused(CsvSource(name="t", path=f"{folder}/*/*.csv"), "leads out of the folder")


def test_metadata_of_images_that_are_a_link_out_are_refused(folder: Path) -> None:
    (folder / "metadata.jsonl").symlink_to("../private.jsonl")
    _refused(ImageFolderSource(name="t", path=str(folder)), r"metadata\.jsonl' is a link that leads out")


def test_links_within_a_folder_and_in_the_cache_of_the_hub_are_read(folder: Path) -> None:
    (folder / "b.jsonl").symlink_to("a.jsonl")
    assert sum(rows.height for rows in read_rows(JsonlSource(name="t", path=str(folder)))) == 2
    snapshot = folder.parent / "datasets--a--b" / "snapshots" / "0123"
    (snapshot / "data").mkdir(parents=True)
    (folder.parent / "datasets--a--b" / "blobs").mkdir()
    (folder.parent / "datasets--a--b" / "blobs" / "4567").write_text(ROW)
    (snapshot / "data" / "a.jsonl").symlink_to("../../../blobs/4567")
    for path in (snapshot, snapshot / "data", snapshot / "data" / "*.jsonl"):
        assert sum(rows.height for rows in read_rows(JsonlSource(name="t", path=str(path)))) == 1
    (snapshot / "data" / "b.jsonl").symlink_to(folder.parent / "private.jsonl")
    _refused(JsonlSource(name="t", path=str(snapshot)), "leads out of the folder")
