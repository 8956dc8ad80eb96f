"""The step `dedup` on rows with images: rows a second, growth, and memory, without ingest and without a model.

    python benchmarks/dedup_step.py                                        # 100,000 and 400,000 rows, 512 MB
    python benchmarks/dedup_step.py --rows 1000000 4000000 --memory 2GB

Rows are questions of a few words and a number about images of their own; one in ten asks what an earlier one does in
another spelling, one in twenty in other words. They come to the step a bucket at a time and are made as they are read,
so nothing but the step holds them. The levels are those of a recipe that says `dedup` (exact, words, image hashes;
those of the images are in the log before). Each size runs in a process of its own. Printed are rows a second and
processor time, the peak of memory that no file backs, and the exponents by which both grow. Results go to
benchmarks/results/dedup_step.json.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from dedup_scale import Peak

from filters.dedup.image_hash import HASHES
from pipelines.steps.dedup import STEP, DedupConfig
from pipelines.store.image_hashes import HashLog
from pipelines.store.memory import Memory, parse_size
from pipelines.store.workspace import Workspace
from schemas.ids import hash_text
from schemas.sample import SAMPLE
from schemas.step import Tables

RESULTS = Path(__file__).parent / "results" / "dedup_step.json"
BUCKET = 8_192
WORDS = [f"{a}{b}{c}" for a in ("tri", "rec", "cir", "squ", "hex") for b in "aeiou" for c in ("gle", "cle", "ne", "re")]


def sample(number: int) -> dict[str, Any]:
    """A row; every tenth asks what the one nine before it does, every twentieth in nearly the same words."""
    repeats = number % 10 == 9
    original = number - 9 if repeats else number
    chance = Random(original)
    words = " ".join(chance.choices(WORDS, k=24))
    question = f"How many {words} tiles lie beside each other in row {original}?"
    if repeats:
        question = question.replace(" lie ", " lay ") if number % 20 == 9 else question.upper()
    sha = hash_text(f"image {original}")
    return {
        "id": hash_text(f"row {number}"),
        "question": question,
        "options": [],
        "answer": {"kind": "number", "raw": str(original % 997), "parsed": None},
        "media": [{"kind": "image", "sha256": sha, "width": 640, "height": 480}],
        "source": {"dataset": "made"},
    }


def buckets(rows: int) -> Iterator[pl.DataFrame]:
    columns = ("id", "question", "options", "answer", "media", "source")
    schema = pl.Schema({name: SAMPLE[name] for name in columns})
    for start in range(0, rows, BUCKET):
        made = [sample(number) for number in range(start, min(start + BUCKET, rows))]
        yield (
            pl.DataFrame(made, schema=schema)
            .with_columns(verified=pl.lit(None, pl.Boolean), n_correct=pl.lit(None, pl.Int64), sample_id="id")
            .sort("id")
        )


def write_hashes(log: HashLog, rows: int) -> None:
    """Hashes of images that look like no other."""
    for start in range(0, rows, 1 << 16):
        count = min(1 << 16, rows - start)
        bits = np.random.default_rng(start)
        shas = pl.Series([hash_text(f"image {n}") for n in range(start, start + count)])
        thumbs = pl.Series([bits.bytes(192) for _ in range(count)])
        table = {"sha256": shas, "phash": pl.Series(bits.integers(0, 1 << 63, count, dtype=np.uint64)), "thumb": thumbs}
        log._log.append(pl.DataFrame(table, schema=HASHES))


def run(rows: int, memory: int, folder: Path) -> dict[str, Any]:
    workspace = Workspace(folder)
    workspace.prepare("made")
    write_hashes(HashLog(workspace.hashes), rows)
    build = SimpleNamespace(
        workspace=workspace, recipe=SimpleNamespace(name="made"), media=None, replay=False, memory=Memory(memory)
    )
    context: Any = SimpleNamespace(name="dedup", seed=0, build=build)
    made = [0.0]

    def timed() -> Iterator[pl.DataFrame]:
        """The rows; what it takes to make them is not the step's."""
        parts = buckets(rows)
        while True:
            begun = time.process_time()
            part = next(parts, None)
            made[0] += time.process_time() - begun
            if part is None:
                return
            yield part

    config = DedupConfig()
    peak, started, before = Peak(), time.perf_counter(), time.process_time()
    survey = STEP.survey(timed(), config, context)  # type: ignore[misc]
    dropped = 0
    for found in survey:
        context.survey = found
        dropped += STEP.body(Tables(pl.DataFrame(), {}, pl.DataFrame()), config, context).drops.height
    return {
        "rows": rows,
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - before - made[0],
        "dropped": dropped,
        "peak_gb": peak.most / 2**30,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 400_000])
    parser.add_argument("--memory", default="512MB", help="the build's memory")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        found = run(given.rows[0], parse_size(given.memory), given.folder)
        (given.folder / "found.json").write_text(json.dumps(found))
        return 0
    runs = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.scratch) as root:
            asked = ["--rows", str(rows), "--memory", given.memory, "--folder", root]
            subprocess.run([sys.executable, __file__, *asked], check=True)
            runs.append(found := json.loads((Path(root) / "found.json").read_text()))
        sys.stdout.write(
            f"{rows:>11,} rows  {found['cpu_s']:.1f} s of processor time: {rows / found['cpu_s']:,.0f} rows/s and core  "
            f"{found['dropped']:,} dropped  peak {found['peak_gb']:.2f} GB\n"
        )
        sys.stdout.flush()
    less, more = runs[0], runs[-1]
    if more["rows"] > less["rows"]:
        size = math.log(more["rows"] / less["rows"])
        grown = {name: math.log(more[name] / less[name]) / size for name in ("cpu_s", "peak_gb")}
        hours = more["cpu_s"] * (1e7 / more["rows"]) ** grown["cpu_s"] / 3600
        sys.stdout.write(
            f"growth exponent {grown['cpu_s']:.2f} of time and {grown['peak_gb']:.2f} of memory: 10,000,000 rows take "
            f"{hours:.2f} core hours\n"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"memory": given.memory, "load": os.getloadavg()[0], "runs": runs}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
