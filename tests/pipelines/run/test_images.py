"""Images of the workspace that are gone or damaged: put back from their sources, or their rows dropped, never used."""

import json
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import recipe_build
import tiny
import yaml
from chat_server import ChatServer
from tiny import write_source

from pipelines.job import Job
from schemas.errors import MediaError

STEPS: list[Any] = [{"release": {"trainer": None, "rl": {"of": "sample"}}}]


def recipe(folder: Path, steps: list[Any], **head: Any) -> Path:
    """A recipe of six questions, each about an image of its own."""
    source = {"type": "jsonl", "name": "scenes", "path": str(write_source(folder, 6))}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "sources": [source], **head, "steps": steps}))
    return path


def hurt(job: Job, how: str, number: int = 1) -> list[str]:
    """Damage some images of a workspace; their hashes."""
    paths = sorted(path for path in job.build.media.root.glob("??/??/*"))[:number]
    for path in paths:
        data = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:] if how == "flipped" else data[:-20])
    return [path.stem for path in paths]


@pytest.mark.parametrize("how", ["flipped", "gone", "cut off"])
def test_a_release_gets_the_image_of_its_source_again(tmp_path: Path, how: str) -> None:
    path = recipe(tmp_path, STEPS)
    job = recipe_build.built(path, tmp_path / "ws")
    original = tiny.digests(tiny.release(job))
    lost = hurt(job, how, number=2)
    shutil.rmtree(tiny.release(job))
    again = recipe_build.built(path, tmp_path / "ws")
    assert tiny.digests(tiny.release(again)) == original
    assert all(again.build.media.read(sha256) for sha256 in lost)
    assert not [one for one in again.build.media.check() if not one.path.name.startswith(".")]


def test_a_row_whose_image_is_gone_for_good_is_dropped(tmp_path: Path) -> None:
    path = recipe(tmp_path, STEPS)
    job = recipe_build.built(path, tmp_path / "ws")
    [lost] = hurt(job, "flipped")
    rows = tiny.config(job, "rl")
    named = pl.col("images").list.first().struct.field("path").str.starts_with(lost)
    gone = rows.filter(named)["id"].to_list()
    assert len(gone) == 1
    for image in (tmp_path / "images").iterdir():
        if job.build.media.put(image.read_bytes(), "png") == lost:
            image.unlink()
    again = recipe_build.built(path, tmp_path / "ws", "steps.release.rl.columns=[source]")
    assert sorted(tiny.config(again, "rl")["id"]) == sorted(rows.filter(~named)["id"])
    assert tiny.dropped(again, "ingest")["reason"].to_list() == ["ingest:image_missing"]


def test_a_damaged_image_is_never_sent_and_its_request_never_refused(tmp_path: Path) -> None:
    """A model is asked about the bytes of the hash, or not at all."""
    with ChatServer() as server:
        models = {"m": {"model": "m", "engine": "openai", "base_urls": [server.url]}}
        steps = [{"caption": {"model": "m"}}]
        path = recipe(tmp_path, ["dedup"], models=models)
        job = recipe_build.built(path, tmp_path / "ws")
        data = {p.stem: p.read_bytes() for p in job.build.media.root.glob("??/??/*")}
        hurt(job, "flipped", number=3)
        path = recipe(tmp_path, steps, models=models)
        again = recipe_build.built(path, tmp_path / "ws")
    sent = "".join(json.dumps(body) for body in server.calls)
    assert all(b64encode(image).decode() in sent for image in data.values())
    assert not again.build.log.failures.scan().collect().height
    assert tiny.rows(again, "caption").height == 6


def test_what_reads_an_image_outside_of_a_build_says_so(tmp_path: Path) -> None:
    job = recipe_build.built(recipe(tmp_path, STEPS), tmp_path / "ws")
    [lost] = hurt(job, "flipped")
    with pytest.raises(MediaError, match=r"is damaged: its bytes are not those of its name. Remove .*builds and build"):
        job.build.media.read(lost)
