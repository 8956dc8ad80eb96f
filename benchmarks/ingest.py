"""Rows a second through ingest: easy-VQA with its images, and a table of texts.

    python benchmarks/ingest.py [--texts 200000]

The peer in the same run does the least that any reader of images must do, one after the other in one thread: read each
image file once, decode it with Pillow, hash its bytes. Seconds are of the wall and of all cores together. Prints a
table and writes benchmarks/results/ingest.json.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from PIL import Image

from pipelines.ingest.ingest import ingest
from pipelines.sources.easy_vqa import EasyVqaSource
from pipelines.sources.files import ParquetSource
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore

RESULTS = Path(__file__).parent / "results"


def kept(source: SourceSection, store: Path) -> int:
    """Ingest a source; the number of rows that it kept."""
    return sum(part.kept.height for part in ingest([source], MediaStore(store)))


def decode_all(source: EasyVqaSource) -> int:
    """The peer: every image of easy-VQA read, decoded and hashed once."""
    files = sorted((source.root / "data" / source.split / "images").iterdir())
    for file in files:
        hashlib.sha256(file.read_bytes()).hexdigest()
        with Image.open(file) as image:
            image.load()
    return len(files)


def text_source(folder: Path, number: int, kind: str) -> ParquetSource:
    """Sums as questions, each with its own answer, so that no parsed answer is remembered from another row."""
    table = {"q": [f"What is {i} plus {i % 97}?" for i in range(number)], "a": [str(i + i % 97) for i in range(number)]}
    pl.DataFrame(table).write_parquet(folder / "texts.parquet")
    select = "SELECT q AS question, a AS answer FROM raw"
    return ParquetSource(name=f"texts-{kind}", path=str(folder / "texts.parquet"), select=select, kind=kind)


def timed(name: str, work: Callable[[], int]) -> dict[str, float | int | str]:
    wall, cpu = time.perf_counter(), time.process_time()
    items = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "case": name,
        "items": items,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "per_s": round(items / wall),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200_000)
    number = parser.parse_args().texts
    images = EasyVqaSource(split="train")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        decode_all(images)  # so that no case pays for the first read from the disk
        rows = [
            timed("peer: 4,000 images decoded", lambda: decode_all(images)),
            timed("easy-VQA train, empty store", lambda: kept(images, folder / "media")),
            timed("easy-VQA train, filled store", lambda: kept(images, folder / "media")),
            timed("texts, kind text", lambda: kept(text_source(folder, number, "text"), folder / "media")),
            timed("texts, kind number", lambda: kept(text_source(folder, number, "number"), folder / "media")),
        ]
    for row in rows:
        sys.stdout.write(
            f"{row['case']:32} {row['items']:>8} {row['wall_s']:>8} s {row['cpu_s']:>8} CPU s {row['per_s']:>8} /s\n"
        )
    RESULTS.mkdir(exist_ok=True)
    result = {
        "created_at": datetime.now(UTC).isoformat(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rows": rows,
    }
    (RESULTS / "ingest.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
