"""Releases: immutable folders that trainers load as they are.

    releases/<recipe>/v<N>/
        sft/  rl/  holdout/      parquet with the features of `datasets`; images inside, as `Image`
        manifest.json            resolved recipe, models, counts by reason, hashes of every file
        README.md                the data card, with the configs that `load_dataset` reads

A release is made in a hidden folder and renamed when it is whole. Its version is decided by the bytes of its splits: the
same content is the same version, however often it is built; other content is the next one. Nothing in it depends on the
clock or the machine.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from pydantic import Field, field_validator

from filters.verify.graders import GRADERS
from generators.prompts import question_text
from pipelines.card import render_card
from pipelines.shards import IMAGES, TURNS, Shards, hub_schema
from pipelines.workspace import read_json, store_errors, write_json
from schemas.engine import MediaReader
from schemas.section import Section

SPLITS = ("sft", "rl", "holdout")
ROW_GROUP = 256


class ReleaseConfig(Section):
    """What the rows of a release look like."""

    system: str | None = Field(default=None, description="a system turn in front of every prompt")
    trainer: str | None = Field(
        default="trl", description="whose own grader must agree with ours about every row; null asks none"
    )
    suffix: str = Field(default="", description="a text after every question, such as an instruction to use tags")

    @field_validator("trainer")
    @classmethod
    def _known(cls, trainer: str | None) -> str | None:
        if trainer is not None and trainer not in GRADERS:
            raise ValueError(f"no grader '{trainer}'; there are {', '.join(GRADERS)}")
        return trainer


@dataclass(frozen=True)
class Content:
    """The rows of a release: one lazy table a split (columns in `split_columns`), and what its manifest says."""

    tables: dict[str, pl.LazyFrame]
    manifest: dict[str, Any]


def write_release(content: Content, config: ReleaseConfig, media: MediaReader, folder: Path) -> Path:
    """Write a release below `folder` (`releases/<recipe>`) and return its path; an equal one is returned as it is."""
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".new-{os.getpid()}"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            files = [f for name in SPLITS for f in _write_split(name, content.tables[name], config, media, scratch)]
            digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
            same = next((p for p in released(folder) if _content(p) == digest), None)
            if same is not None:
                return same
            number = max((int(p.name[1:]) for p in released(folder)), default=0) + 1
            manifest = {
                "name": content.manifest["recipe"]["name"],
                "version": f"v{number}",
                "content": digest,
                "code": package_version("curate-multimodal"),
                **content.manifest,
                "files": files,
            }
            (scratch / "README.md").write_text(render_card(manifest), encoding="utf-8")
            write_json(manifest, scratch / "manifest.json")
            target = folder / f"v{number}"
            scratch.rename(target)
            return target
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def released(folder: Path) -> list[Path]:
    """The releases in a folder, oldest first."""
    found = [p for p in folder.glob("v*") if p.name[1:].isdigit() and (p / "manifest.json").is_file()]
    return sorted(found, key=lambda p: int(p.name[1:]))


def _content(release: Path) -> str | None:
    manifest = read_json(release / "manifest.json")
    return manifest["content"] if manifest else None


def _write_split(
    name: str, table: pl.LazyFrame, config: ReleaseConfig, media: MediaReader, root: Path
) -> Iterator[dict[str, Any]]:
    """Write one split as parquet shards; yield what the manifest says of each."""
    with Shards(root / name, _schema(name)) as shards:
        for batch in table.collect_batches(chunk_size=ROW_GROUP, maintain_order=True):
            for piece in batch.iter_slices(ROW_GROUP):
                shards.write([_record(name, row, config, media) for row in piece.iter_rows(named=True)])
    for path, rows in shards.files:
        yield _file(path, root, rows)


def _file(path: Path, root: Path, rows: int) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": str(path.relative_to(root)), "rows": rows, "bytes": path.stat().st_size, "sha256": digest}


def _record(name: str, row: dict[str, Any], config: ReleaseConfig, media: MediaReader) -> dict[str, Any]:
    """One row as trainers read it. `<image>` in a text would be taken for a picture, so it is written `<img>`."""
    text = question_text(row["question"], row["options"]) + config.suffix
    turns = [{"role": "system", "content": config.system}] if config.system else []
    answer = row["answer"]
    record = {
        "id": row["id"],
        "prompt": [*turns, {"role": "user", "content": _no_marks(text)}],
        "images": [
            {"bytes": media.read(m["sha256"]), "path": media.path(m["sha256"]).name}
            for m in row["media"] or ()
            if m["kind"] == "image"
        ],
        "solution": row["solution"] or f"${answer['raw']}$",
        "answer": answer["parsed"],
        "verifier": row["verifier"]["id"],
        "verifier_params": row["verifier"]["params"],
        "options": row["options"] or [],
        "tags": row["tags"],
        "dataset": row["source"]["dataset"],
        "group": row["group"],
        "model": row["model"],
        "k": row["k"],
        "n": row["n"],
    }
    if name == "sft":
        record["completion"] = [{"role": "assistant", "content": _no_marks(row["text"])}]
        record["caption"] = row["caption"]
    if name == "rl":
        record["value"] = row["value"]
        record["control"] = row["control"]
    return record


def _no_marks(text: str) -> str:
    return text.replace("<image>", "<img>")


def _schema(name: str) -> pa.Schema:
    """The Arrow schema of a split, with the metadata by which `datasets` knows that `images` are images."""
    text = ("solution", "answer", "verifier", "verifier_params")
    fields: dict[str, pa.DataType] = {"id": pa.string(), "prompt": TURNS}
    if name == "sft":
        fields["completion"] = TURNS
    fields |= {"images": IMAGES, **dict.fromkeys(text, pa.string()), "options": pa.list_(pa.string())}
    fields |= {"tags": pa.string(), "dataset": pa.string(), "group": pa.string()}
    fields |= {"model": pa.string(), "k": pa.int32(), "n": pa.int32()}
    if name == "sft":
        fields["caption"] = pa.string()
    if name == "rl":
        fields |= {"value": pa.float64(), "control": pa.bool_()}
    return hub_schema(fields)
