"""Near duplicates of millions of vectors within a memory limit: time, growth, memory, and recall beside brute force.

    python benchmarks/dedup_scale.py                                          # 250,000 and 1,000,000 x 1,024, 2 GB
    python benchmarks/dedup_scale.py --rows 500000 2000000 --dim 256 --memory 256MB
    python benchmarks/dedup_scale.py --rows 2500000 10000000 --memory 4GB     # 27 GB of disk, hours on two cores
    python benchmarks/dedup_scale.py --rows 1000000 --gpu --kind exact        # on a GPU, by the same code

Vectors are 20 clusters a thousand rows, one row in ten planted as a near copy (cosine 0.9 to 1) of another, in float16
on disk. Each size runs `keep_best` over the shards that the memory allows, in a process of its own: no table of rows
and no text, only what the vectors cost. Printed are wall and processor seconds, the shards, the peak of memory that is
not the mapped file, the recall that the search states with its interval, the recall beside brute force on other rows
(pairs that are not both kept), and how many of the planted copies are gone. The exponent is that of processor time;
from it comes what 10,000,000 rows take.
Results go to benchmarks/results/dedup_scale.json.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from dedup_speed import THRESHOLD, write_vectors

from filters.dedup.greedy import Pairs, keep_best
from filters.dedup.index import IndexConfig
from filters.dedup.recall import sample_places, true_pairs
from filters.dedup.search import Search, shards
from filters.dedup.shards import Room
from filters.dedup.space import MARGIN
from filters.dedup.vectors import Vectors, cosine
from pipelines.store.memory import parse_size

RESULTS = Path(__file__).parent / "results" / "dedup_scale.json"
QUERIES = 2_000
FULL = 10_000_000


class Peak:
    """The most memory of this process that no file backs, in bytes, looked at fifty times a second."""

    def __init__(self) -> None:
        self.most = 0
        self._end = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
            self.most = max(self.most, (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE"))


def run(folder: Path, memory: int, config: IndexConfig) -> dict[str, Any]:
    """One search of the vectors in a folder."""
    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    rows, dim = matrix.shape
    vectors = Vectors(pl.Series(np.arange(rows)), matrix)
    said: list[Search] = []
    sizes: list[int] = []

    def confirm(left: Any, right: Any) -> Pairs:
        text = cosine(vectors, left, vectors, right)
        near = text >= THRESHOLD
        return Pairs(left[near], right[near], text[near], np.ones(int(near.sum())))

    peak, radius, started = Peak(), THRESHOLD - MARGIN, time.perf_counter()
    before = peak.most
    held = shards(rows, dim, vectors.take, radius, config, said.append, Room(memory, folder))
    trained = time.perf_counter() - started
    held = type(held)(held.make, held.rows, held.lists, lambda index, stored: sizes.append(len(stored)))
    pairs = keep_best(rows, np.zeros(rows, dtype=bool), vectors.take, confirm, radius, held, config.block)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "rows": rows,
        "wall_s": time.perf_counter() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "train_s": trained,
        "shards": len(sizes),
        "peak_gb": max(peak.most, before) / 2**30,
        "matrix_gb": matrix.nbytes / 2**30,
        "said": str(said[0]),
        "dropped": len(pairs.left),
    }
    kept = np.ones(rows, dtype=bool)
    kept[pairs.left] = False
    places = sample_places(rows, QUERIES, 1)
    head, tail = true_pairs(vectors.take(places), rows, vectors.take, THRESHOLD)
    other = places[head] != tail
    true = confirm(places[head[other]], tail[other])
    own = rows - rows // 10
    return {
        **found,
        "true_pairs": len(true.left),
        "resolved": float(1 - (kept[true.left] & kept[true.right]).mean()),
        "planted_gone": float(1 - kept[own:].mean()),
    }


def line(entry: dict[str, Any]) -> str:
    """What is printed of one size."""
    return (
        f"{entry['rows']:>11,} rows  {entry['wall_s']:>8.1f} s (CPU {entry['cpu_s']:.0f} s, of it lists and recall "
        f"{entry['train_s']:.0f} s of wall)  {entry['shards']} shards  peak {entry['peak_gb']:.2f} GB, matrix "
        f"{entry['matrix_gb']:.2f} GB\n            {entry['said']}\n            recall {entry['resolved']:.4f} of "
        f"{entry['true_pairs']} true pairs of other rows; {entry['planted_gone']:.4f} of the planted copies are gone\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--memory", default="2GB", help="what an index may take")
    parser.add_argument("--kind", default="ivf", choices=("auto", "exact", "ivf"))
    parser.add_argument("--gpu", action="store_true", help="let the search use a GPU")
    parser.add_argument("--scratch", type=Path, help="where the vectors lie meanwhile")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    config = IndexConfig(kind=given.kind, gpu=given.gpu)
    if given.folder:
        found = run(given.folder, parse_size(given.memory), config)
        (given.folder / "found.json").write_text(json.dumps(found))
        return 0
    runs = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.scratch) as root:
            write_vectors(Path(root) / "vectors.npy", rows, given.dim)
            asked = ["--folder", root, "--memory", given.memory, "--kind", given.kind, *(["--gpu"] * given.gpu)]
            subprocess.run([sys.executable, __file__, *asked], check=True)
            runs.append(json.loads((Path(root) / "found.json").read_text()))
            sys.stdout.write(line(runs[-1]))
            sys.stdout.flush()
    found = {
        "dim": given.dim,
        "memory": given.memory,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "runs": runs,
    }
    if len(runs) > 1:
        less, more = runs[0], runs[-1]
        grown = math.log(more["cpu_s"] / less["cpu_s"]) / math.log(more["rows"] / less["rows"])
        hours = more["cpu_s"] * (FULL / more["rows"]) ** grown / 3600
        found |= {"growth": grown, "cpu_hours_at_10m": hours}
        sys.stdout.write(f"growth exponent {grown:.2f}: {FULL:,} rows take {hours:.1f} core hours\n")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
