"""Selection at size: each rule over a million rows, coverage over a hundred thousand; time, peak memory, share of the limit.

    python benchmarks/select_speed.py [--rows 1000000] [--vectors 100000] [--dim 384] [--only variance,quota,...]

Every line runs in a process of its own on two cores, one after the other, over the same tables. A rule's line is `select`
with its default config, a fifth of the rows as budget and equal quotas by source, answer kind and difficulty band, and
then the control; the limit is 10 s and 4 GB. The line `quota` is that function alone.
Facility location and k-center go over vectors of latent dimension 16, 32 neighbours each, from FAISS to the last row
taken; the limit is 60 s and 4 GB. `clusters` assigns a million rows of float16 on disk to 100 clusters. No model is called.
CPU seconds tell what a busy machine took away. Prints a table, writes benchmarks/results/select_speed.json, and ends with
1 where a limit is exceeded at the full sizes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

CORES = 2
os.environ |= {"OMP_NUM_THREADS": str(CORES), "POLARS_MAX_THREADS": str(CORES), "OPENBLAS_NUM_THREADS": str(CORES)}

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from memory import peak_gb  # noqa: E402

from filters.dedup.vectors import Vectors  # noqa: E402
from filters.select.clusters import ClusterConfig, clustered  # noqa: E402
from filters.select.coverage import CoverageConfig, cover  # noqa: E402
from filters.select.quota import QuotaConfig, allot, cells, draw  # noqa: E402
from filters.select.rules.catalogue import RULES  # noqa: E402
from filters.select.select import Selection, columns_read, control, select  # noqa: E402

RESULTS = Path(__file__).parent / "results"
BY = ("source", "kind", "band")
QUOTAS = QuotaConfig(by=BY, shares="equal")
SECONDS, GIGABYTES = {"rows": 10.0, "vectors": 60.0}, 4.0

Work = Callable[[Path], int]
"""Does the work of one line on the tables in a folder; returns the number of rows selected."""


def column(name: str, ids: pl.Series, chance: np.random.Generator) -> pl.Series:
    """Made-up numbers of the kind that a rule expects under that name: counts of eight, shares, lengths, or labels."""
    rows = len(ids)
    if name in {"source", "kind", "band", "domain", "lang"}:
        size = {"source": 12, "kind": 6, "band": 5}.get(name, 4)
        return pl.Series(name, [f"{name}{n}" for n in range(size)]).gather(chance.zipf(1.5, rows) % size)
    stem = name.partition("_")[0]
    if stem in {"n", "m"}:
        return pl.Series(name, np.full(rows, 8, dtype=np.int32))
    if stem == "k":
        return pl.Series(name, chance.binomial(8, chance.beta(0.6, 0.6, rows)).astype(np.int32))
    if "token" in name or "length" in name:
        return pl.Series(name, chance.lognormal(5, 1, rows))
    numbers = chance.normal(-2, 1, rows) if name == "log_psi" else chance.random(rows)
    return pl.Series(name, numbers < 0.5 if name == "in_band" else numbers)


def write_tables(folder: Path, rows: int, vectors: int, dim: int) -> None:
    """Rows of made-up measurements, and clustered unit vectors in float16."""
    chance = np.random.default_rng(0)
    ids = pl.Series("id", [hashlib.blake2b(str(n).encode(), digest_size=16).hexdigest() for n in range(rows)])
    wanted = {name for config in RULES for name in columns_read(Selection.model_validate({"rule": config()}))}
    names = [*BY, *sorted(wanted - set(BY))]
    pl.DataFrame([ids, *(column(name, ids, chance) for name in names)]).write_parquet(folder / "rows.parquet")
    spread = chance.standard_normal((16, dim)).astype(np.float32)
    out: Any = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float16, shape=(rows, dim))  # type: ignore[no-untyped-call]
    for start in range(0, rows, 50_000):
        size = min(50_000, rows - start)
        block = chance.standard_normal((size, 16)).astype(np.float32) @ spread
        block += 0.4 * chance.standard_normal((size, dim)).astype(np.float32)
        out[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()
    (folder / "vectors.json").write_text(json.dumps(min(rows, vectors)))


def of_rule(config: Any) -> Work:
    """`select` and `control` by one rule."""

    def run(folder: Path) -> int:
        # A draw with replacement keeps no quotas.
        quotas = None if RULES[config].how == "mixture" else QUOTAS
        settings = Selection.model_validate({"rule": config(), "budget": 0.2, "quotas": quotas})
        rows = pl.read_parquet(folder / "rows.parquet", columns=["id", *columns_read(settings)])
        kept = clocked(lambda: select(rows, settings, 0).kept)
        clocked(lambda: control(rows, kept, settings, 0))
        return kept.height

    return run


def quota(folder: Path) -> int:
    rows = pl.read_parquet(folder / "rows.parquet", columns=["id", *BY]).with_row_index("rank")
    return len(clocked(lambda: draw(rows, allot(cells(rows, BY), rows.height // 5, QUOTAS), BY)))


def clusters(folder: Path) -> int:
    rows = pl.read_parquet(folder / "rows.parquet", columns=["id"]).with_columns(pl.col("id").alias("key"))
    vectors = Vectors(rows["key"], np.load(folder / "vectors.npy", mmap_mode="r"))
    return clocked(lambda: clustered(rows, vectors, ClusterConfig(), 0)).height


def covering(config: CoverageConfig, share: int) -> Work:
    """One row in `share` of the vectors, taken to balance value and coverage."""

    def run(folder: Path) -> int:
        number = json.loads((folder / "vectors.json").read_text())
        rows = pl.read_parquet(folder / "rows.parquet", columns=["id"], n_rows=number)
        rows = rows.with_columns(pl.col("id").alias("key"), pl.Series("value", np.random.default_rng(1).random(number)))
        vectors = Vectors(rows["key"], np.load(folder / "vectors.npy", mmap_mode="r")[:number])
        return clocked(lambda: cover(rows, vectors, number // share, config, 0)).height

    return run


LINES: dict[str, tuple[str, Work]] = {
    **{config.model_fields["type"].default: ("rows", of_rule(config)) for config in RULES},
    "quota": ("rows", quota),
    "clusters": ("rows", clusters),
    "facility location": ("vectors", covering(CoverageConfig(), 5)),
    "k-center": ("vectors", covering(CoverageConfig(method="k_center", exact_pairs=0), 5)),
    "exact k-center": ("vectors", covering(CoverageConfig(method="k_center"), 100)),
}
"""Every rule of the catalogue, then the functions that spend a budget: which size and limit a line has, and its work."""

CLOCK: list[float] = []
T = TypeVar("T")


def clocked(work: Callable[[], T]) -> T:
    """Run, and count its seconds; reading tables is not part of a rule."""
    started = time.perf_counter()
    result = work()
    CLOCK.append(time.perf_counter() - started)
    return result


def run_line(name: str, folder: Path) -> None:
    """In a process of its own: do the work of a line and write down what it took."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:CORES]))
    before = time.process_time()
    taken = LINES[name][1](folder)
    used = time.process_time() - before
    seconds, cpu = round(sum(CLOCK), 2), round(used, 2)
    found = {"seconds": seconds, "cpu_seconds": cpu, "peak_gb": round(peak_gb(), 2), "taken": taken}
    (folder / "found.json").write_text(json.dumps(found))


def main() -> int:
    """Write tables, run each line in a process of its own, print, write; 1 where a limit is exceeded at full size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--only", default=",".join(LINES))
    parser.add_argument("--out", default="select_speed", help="name of the results file")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run_line(given.run, given.folder)
        return 0
    found: dict[str, Any] = {
        "rows": given.rows,
        "vectors": given.vectors,
        "dim": given.dim,
        "cores": CORES,
        "lines": {},
    }
    sys.stdout.write(f"{'':<22}{'rows':>10}{'taken':>11}{'s':>8}{'CPU s':>8}{'GB':>7}{'s/limit':>9}{'GB/limit':>10}\n")
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        write_tables(folder, given.rows, given.vectors, given.dim)
        for name in given.only.split(","):
            kind = LINES[name][0]
            subprocess.run([sys.executable, __file__, "--run", name, "--folder", root], check=True)
            entry = json.loads((folder / "found.json").read_text())
            entry |= {"of_limit": round(entry["seconds"] / SECONDS[kind], 3)}
            entry |= {"of_memory_limit": round(entry["peak_gb"] / GIGABYTES, 3)}
            found["lines"][name] = entry
            sys.stdout.write(
                f"{name:<22}{getattr(given, kind):>10,}{entry['taken']:>11,}{entry['seconds']:>8.2f}"
                f"{entry['cpu_seconds']:>8.2f}{entry['peak_gb']:>7.2f}{entry['of_limit']:>9.2f}"
                f"{entry['of_memory_limit']:>10.2f}\n"
            )
            sys.stdout.flush()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{given.out}.json").write_text(json.dumps(found, indent=1) + "\n")
    over = [name for name, entry in found["lines"].items() if max(entry["of_limit"], entry["of_memory_limit"]) > 1]
    full = given.rows >= 1_000_000 or given.vectors >= 100_000
    return int(bool(over) and full)


if __name__ == "__main__":
    sys.exit(main())
