"""The page: its counts are the manifest's, nothing is loaded from anywhere, and no text of a model becomes markup."""

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.releases import releases_app
from pipelines.report import charts
from pipelines.report.origin import Origin, find_origin
from pipelines.report.page import inert, packed
from pipelines.report.thumbnails import thumbnail
from pipelines.report.write import write_report
from schemas.errors import ConfigError, MissingDependencyError

HTML = [
    "html",
    "head",
    "body",
    "meta",
    "title",
    "style",
    "a",
    "header",
    "div",
    "h1",
    "nav",
    "button",
    "main",
    "section",
]
HTML += ["h2", "noscript", "p", "script"]


def test_counts_are_the_manifest_s(page: Any, origin: Origin) -> None:
    summary, manifest = page.summary, origin.manifest
    shown = ("step", "type", "unit", "in", "kept", "dropped")
    assert summary["steps"] == [{name: step[name] for name in shown} for step in manifest["steps"]]
    assert summary["configs"] == {name: facts["rows"] for name, facts in manifest["statistics"]["configs"].items()}
    assert summary["samples"] == manifest["steps"][0]["in"] == sum(summary["census"]["samples"])
    assert summary["shown"] == len(page.samples) == 150


def test_charts_are_in_their_sections(page: Any) -> None:
    charts_, gain = page.summary["charts"], page.summary["gain"]
    assert {name: len(specs) for name, specs in charts_.items()} == {
        "difficulty": 2, "vision": 1, "lengths": 5, "selection": 3,
    }  # fmt: skip
    assert 0 < gain <= 0.25, "every sample gains two of eight, but for those that were right less often"


def test_every_sample_is_where_its_number_says(page: Any) -> None:
    index, chunk = page.unpacked("index"), page.summary["chunk"]
    assert len(set(index["ids"])) == 150
    for place, id_ in enumerate(index["ids"]):
        sample = page.unpacked(f"c{place // chunk}")[place % chunk]
        assert sample["id"] == id_
        assert sample["outcome"] == index["outcome"]["words"][index["outcome"]["codes"][place]]
        assert sample.get("question", "").startswith(index["questions"][place])


def test_a_sample_has_everything_that_is_known_of_it(page: Any, origin: Origin, maker: ModuleType) -> None:
    drops = origin.dropped().collect()
    for sample in page.samples:
        assert (
            sample["question"]
            and sample["answer"] == "7"
            and sample["caption"].startswith(("A bar chart", maker.HOSTILE))
        )
        assert len(sample["rollouts"]) == 8 and len(sample["traces"]) == 1
        right = sum(rollout["correct"] for rollout in sample["rollouts"])
        assert sample["measures"][0]["k"] == right and sample["measures"][0]["n"] == 8
        own = drops.filter(pl.col("sample_id") == sample["id"])
        assert sorted(d["reason"] for d in sample.get("drops", [])) == sorted(own["reason"])
        assert all(f"p{place}" in page.images for place in sample["images"])


def test_images_are_stored_once_and_small(page: Any) -> None:
    assert len(page.images) == 20, "150 samples show 20 images"
    assert all(base64.b64decode(page.scripts[name])[8:12] == b"WEBP" for name in page.images)


def test_nothing_is_loaded_from_anywhere(page: Any) -> None:
    assert all(address.startswith("#") for address in page.addresses)
    assert "default-src 'none'" in page.policy and "connect-src" not in page.policy
    assert "url(" not in page.text.split("</style>")[0], "the style sheet names no file"
    assert "@import" not in page.text.split("</style>")[0]
    own = [text for name, text in page.scripts.items() if name.startswith("script ")]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
    assert len(own) == 2 and all(f"'sha256-{digest}'" in page.policy for digest in hashes)
    assert "'unsafe-inline'" not in page.policy.split("script-src")[1]


def test_what_models_say_never_becomes_markup(page: Any, maker: ModuleType) -> None:
    assert set(page.tags) == set(HTML), "no element that the template does not have"
    assert "hacked" not in page.text, "texts are packed, so not even their words are in the markup"
    said = next(sample for sample in page.samples if sample["question"].startswith(maker.HOSTILE))
    replies = [rollout["text"].partition("\n<answer>")[0] for rollout in said["rollouts"]]
    texts = [said["caption"], said["traces"][0]["text"], *replies]
    assert texts == [maker.HOSTILE] * 10, "and yet the reader sees it as it is"


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_inert_json_ends_no_block_and_loses_nothing(text: str) -> None:
    assert "<" not in inert({"text": text})
    assert json.loads(inert({"text": text})) == {"text": text}


def test_the_same_data_give_the_same_page(origin: Origin, page_path: Path, tmp_path: Path) -> None:
    write_report(origin, tmp_path / "again.html", 150)
    assert (tmp_path / "again.html").read_bytes() == page_path.read_bytes()
    assert packed({"a": 1}) == packed({"a": 1})


@pytest.mark.parametrize("how", ["reference", "embed"])
def test_a_release_without_its_build_still_shows_what_it_holds(
    maker: ModuleType, tmp_path: Path, how: str, page_type: Any
) -> None:
    maker.make_workspace(tmp_path, 120, 30, how)
    alone = tmp_path / "elsewhere" / "v1"
    shutil.copytree(tmp_path / "out" / "releases" / "large" / "v1", alone)
    found = find_origin(str(alone), tmp_path / "nowhere")
    assert found.build is None
    write_report(found, tmp_path / "report.html")
    told = page_type(tmp_path / "report.html")
    assert "Build the same recipe again" in told.summary["loss"] and told.summary["samples"] == 120
    released = [s for s in told.samples if s["outcome"] != "dropped"]
    assert all(s["question"].lower().startswith(("which bar", "</script>")) and s["images"] for s in released)
    tables = [
        table.select(pl.col("images").list.eval(pl.element().struct.field("path"))) for _, table in found.configs()
    ]
    assert len(told.images) == pl.concat(tables).collect()["images"].explode().n_unique()
    assert all(len(s["traces"]) == 1 for s in released if s["outcome"] == "sft")


def test_tables_of_another_version_are_not_taken_for_this_one(workspace: Path, origin: Origin, tmp_path: Path) -> None:
    out = copied(workspace, tmp_path)
    assert find_origin("large", out).build is not None
    path = out / "builds" / "large" / "verify" / "record.json"
    record = json.loads(path.read_text())
    record["kept"] += 1
    path.write_text(json.dumps(record))
    assert find_origin("large", out).build is None


def copied(workspace: Path, folder: Path) -> Path:
    """A copy of the workspace's build and release, to be damaged."""
    for part in ("builds", "releases", "media"):
        shutil.copytree(workspace / part, folder / "out" / part)
    return folder / "out"


def test_what_cannot_be_reported_is_a_sentence(workspace: Path, origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no release 'nothing'"):
        find_origin("nothing", workspace)
    with pytest.raises(ConfigError, match="at least one sample"):
        write_report(origin, tmp_path / "report.html", 0)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="is damaged"):
        find_origin(str(tmp_path), workspace)


def test_a_target_that_cannot_be_written_is_named_before_work_begins(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"is a folder\. Name the file to write"):
        write_report(origin, tmp_path)
    with pytest.raises(ConfigError, match=r"Cannot write to .*/file/report.html: .*exists. Name another file"):
        write_report(origin, tmp_path / "file" / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_a_lost_table_and_a_damaged_one_are_sentences(workspace: Path, tmp_path: Path) -> None:
    out = copied(workspace, tmp_path)
    (out / "builds" / "large" / "attempt" / "rows-0000.parquet").unlink()
    done = _command("large", "-w", str(out), "--samples", "20")
    assert done.exit_code == 0 and "captions, dropped traces and rollouts are not in this report" in done.output
    (out / "releases" / "large" / "v1" / "dropped.parquet").write_text("no table")
    done = _command("large", "-w", str(out))
    assert done.exit_code == 2 and "dropped.parquet is damaged" in done.output and "Traceback" not in done.output
    done = _command("large", "-w", str(tmp_path / "nowhere"))
    assert done.exit_code == 2 and f"{tmp_path / 'nowhere'} holds no release." in done.output.replace("\n", "")


def _command(*words: str) -> Any:
    from typer.testing import CliRunner

    return CliRunner().invoke(releases_app, ["report", *words])


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_a_missing_library_is_named_with_its_cure(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'curate-multimodal\[report\]'"):
        charts.load()


def test_bytes_that_are_not_an_image_give_none() -> None:
    assert thumbnail(b"not an image", 100) == ""


def test_the_command_writes_into_the_workspace(workspace: Path) -> None:
    told = _command("large/v1", "-w", str(workspace), "--samples", "20")
    assert told.exit_code == 0, told.output
    assert "20 of 400 samples shown, all counted." in told.output
    assert (workspace / "reports" / "large-v1.html").is_file()
    again = _command("large/v9", "-w", str(workspace))
    assert again.exit_code == 2 and "There is no release 'large/v9'. Releases in" in again.output
