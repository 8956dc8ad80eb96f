"""Near deduplication of a million vectors: time, peak memory and recall, beside bare FAISS and semhash on the same vectors.

    python benchmarks/dedup_speed.py [--rows 1000000] [--dim 384] [--only step,faiss,semhash] [--kind ivf] [--patience 3600]

Vectors are 20 clusters a thousand rows, one row in ten planted as a near copy (cosine 0.9 to 1) of another. Each system runs
in a process of its own, one after the other, reading the same float16 file. `step` is `drop_near` on a table of rows, from
normalising texts to evidence; its share of time inside FAISS is measured around every FAISS call. `faiss` is what one
would write by hand with the index that the step chose: train, add, range search. CPU seconds, of the whole process, tell
what a busy machine took away. Recall: of the pairs above the threshold that brute force finds for sampled rows, those that
a system resolves (does not keep both). Prints a table and writes benchmarks/results/dedup_speed.json.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from memory import peak_gb

from filters.dedup.content import question_texts
from filters.dedup.embedding import NearConfig, drop_near
from filters.dedup.index import Choice, IndexConfig, centroids, make_index
from filters.dedup.recall import sample_places, true_pairs
from filters.dedup.vectors import Vectors
from schemas.sample import SAMPLE

RESULTS = Path(__file__).parent / "results"
THRESHOLD = 0.9
BLOCK = 1024
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def name(number: int) -> str:
    """A text without digits or known words, another for each number."""
    parts: list[str] = []
    while number or len(parts) < 4:
        number, rest = divmod(number, len(SYLLABLES))
        parts.append(SYLLABLES[rest])
    return "ko" + "".join(parts) + "q"


def write_vectors(path: Path, rows: int, dim: int) -> None:
    """Unit vectors in float16, in clusters; rows of the last tenth are near copies of rows of the first nine."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((max(1, rows // 50), dim)).astype(np.float32)
    matrix: Any = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dim))  # type: ignore[no-untyped-call]
    own = rows - rows // 10
    for start in range(0, own, 50_000):
        size = min(50_000, own - start)
        block = centres[chance.integers(0, len(centres), size)] + chance.standard_normal((size, dim)).astype(np.float32)
        matrix[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    for start in range(own, rows, 50_000):
        size = min(50_000, rows - start)
        base = np.asarray(matrix[np.sort(chance.integers(0, own, size))], dtype=np.float32)
        noise = chance.standard_normal((size, dim)).astype(np.float32)
        noise -= np.einsum("ij,ij->i", noise, base)[:, None] * base
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        cosine = chance.uniform(THRESHOLD, 1.0, size).astype(np.float32)[:, None]
        matrix[start : start + size] = cosine * base + np.sqrt(1 - cosine**2) * noise
    matrix.flush()


class FaissClock:
    """Seconds spent inside FAISS, measured around the methods that the step calls."""

    def __init__(self) -> None:
        import faiss

        self.seconds, self._depth = 0.0, 0
        for kind in (
            faiss.IndexFlatIP,
            faiss.IndexIVFScalarQuantizer,
            faiss.IndexHNSWSQ,
            faiss.IndexFlat,
            faiss.IndexIVF,
        ):
            for method in ("add", "search", "range_search"):
                setattr(kind, method, self._timed(getattr(kind, method)))
        setattr(faiss.Clustering, "train", self._timed(faiss.Clustering.train))  # noqa: B010

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            self._depth += 1
            started = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - started

        return run


class Said(logging.Handler):
    """Collects what is logged."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run_step(folder: Path, index: IndexConfig) -> dict[str, Any]:
    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    empty = dict.fromkeys((key for key in SAMPLE if key not in ("id", "question")), None)
    names = pl.Series([name(i) for i in range(len(matrix))], dtype=pl.String)
    columns = [pl.lit(value, dtype=SAMPLE[key]).alias(key) for key, value in empty.items()]
    rows = pl.DataFrame({"id": names, "question": names}).with_columns(columns).select(*SAMPLE)
    vectors = Vectors(question_texts(rows)["key"], matrix)
    lines: list[str] = []
    handler = Said(lines)
    logging.getLogger("filters.dedup").addHandler(handler)
    logging.getLogger("filters.dedup").setLevel(logging.INFO)
    clock = FaissClock()
    started = time.perf_counter()
    result = drop_near(rows, vectors, None, NearConfig(text_only_threshold=THRESHOLD, index=index))
    seconds = time.perf_counter() - started
    kept = rows["id"].is_in(result.kept["id"].implode())
    np.save(folder / "step.npy", kept.to_numpy())
    return {"seconds": seconds, "faiss_seconds": clock.seconds, "said": lines}


def run_faiss(folder: Path, config: IndexConfig) -> dict[str, Any]:
    """Train, add and search by hand, with the lists and probes that the step logged."""
    said = json.loads((folder / "step.json").read_text())["said"][0].replace(",", "").split()
    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    started = time.perf_counter()
    if said[0] == "ivf":
        lists, probes = int(said[said.index("lists") - 1]), int(said[said.index("probed;") - 1])
        choice = Choice("ivf", len(matrix), matrix.shape[1], lists=lists, probes=probes)
        sample = np.asarray(matrix[sample_places(len(matrix), lists * config.train_per_list, 0)], dtype=np.float32)
        index = make_index(choice, config, centroids(sample, choice, config))
    else:
        index = make_index(Choice("exact", len(matrix), matrix.shape[1]), config)
    for start in range(0, len(matrix), BLOCK):
        index.add(np.asarray(matrix[start : start + BLOCK], dtype=np.float32))
    found = []
    for start in range(0, len(matrix), BLOCK):
        limits, _, ids = index.range_search(np.asarray(matrix[start : start + BLOCK], dtype=np.float32), THRESHOLD)
        row = np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64))) + start
        found.append(np.stack([row, ids])[:, row != ids])
    seconds = time.perf_counter() - started
    np.save(folder / "faiss.npy", np.concatenate(found, axis=1))
    return {"seconds": seconds}


def run_semhash(folder: Path, _: IndexConfig) -> dict[str, Any]:
    from semhash import SemHash

    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    names = [name(i) for i in range(len(matrix))]
    started = time.perf_counter()
    vectors = np.asarray(matrix, dtype=np.float32)
    result = SemHash.from_embeddings(vectors, names, model=cast(Any, None)).self_deduplicate(threshold=THRESHOLD)
    seconds = time.perf_counter() - started
    chosen = set(result.selected)
    np.save(folder / "semhash.npy", np.array([entry in chosen for entry in names]))
    return {"seconds": seconds}


RUNS = {"step": run_step, "faiss": run_faiss, "semhash": run_semhash}


def truth(folder: Path, queries: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pairs above the threshold of sampled rows with any other row, by brute force."""
    matrix = np.load(folder / "vectors.npy", mmap_mode="r")
    places = sample_places(len(matrix), queries, 1)
    take = Vectors(pl.Series(np.arange(len(matrix)).astype(str)), matrix).take
    head, tail = true_pairs(take(places), len(matrix), take, THRESHOLD)
    other = places[head] != tail
    return places[head[other]], tail[other]


def recall(folder: Path, run: str, pairs: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> float:
    stored = np.load(folder / f"{run}.npy")
    if run != "faiss":
        return float(1 - (stored[pairs[0]] & stored[pairs[1]]).mean())
    size = 1 + int(max(stored.max(), pairs[0].max(), pairs[1].max()))
    found = np.unique(np.concatenate([stored[0] * size + stored[1], stored[1] * size + stored[0]]))
    return float(np.isin(pairs[0] * size + pairs[1], found).mean())


def line(run: str, entry: dict[str, Any]) -> str:
    """What is printed of one run."""
    text = f"{run:<8} {entry['seconds']:>8.1f} s (CPU {entry['cpu_seconds']:.0f} s)  recall {entry['recall']:.4f}"
    text += f"  peak {entry['peak_mb']:.0f} MB = {entry['peak_per_matrix']:.2f} x matrix"
    if "faiss_seconds" in entry:
        text += f"  {entry['seconds'] / entry['faiss_seconds']:.2f} x its FAISS calls"
    return "\n         ".join([text, *entry.get("said", [])]) + "\n"


def main() -> int:
    """Write vectors, run each system in a process of its own, measure recall, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=4_000)
    parser.add_argument("--only", default=",".join(RUNS))
    parser.add_argument("--kind", default="auto", choices=("auto", "exact", "ivf", "hnsw"))
    parser.add_argument("--min-recall", type=float, default=0.98, help="what the step's approximate search must reach")
    parser.add_argument("--patience", type=float, default=3600, help="seconds after which a peer is given up")
    parser.add_argument("--gpu", action="store_true", help="let the step use a GPU")
    parser.add_argument("--out", default="dedup_speed", help="name of the results file")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        config = IndexConfig(kind=given.kind, gpu=given.gpu, min_recall=given.min_recall)
        found = RUNS[given.run](given.folder, config)
        used = resource.getrusage(resource.RUSAGE_SELF)
        found |= {"peak_mb": peak_gb() * 1024, "cpu_seconds": used.ru_utime + used.ru_stime}
        (given.folder / f"{given.run}.json").write_text(json.dumps(found))
        return 0
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        write_vectors(folder / "vectors.npy", given.rows, given.dim)
        pairs = truth(folder, given.queries)
        size = given.rows * given.dim * 2 / 2**20
        found = {"rows": given.rows, "dim": given.dim, "matrix_mb": size, "true_pairs": len(pairs[0]), "runs": {}}
        sys.stdout.write(
            f"{given.rows:,} x {given.dim}, float16 matrix {size:,.0f} MB, {len(pairs[0])} true pairs sampled\n"
        )
        for run in given.only.split(","):
            asked = ["--run", run, "--folder", root, "--kind", given.kind]
            asked += ["--min-recall", str(given.min_recall), *(["--gpu"] if given.gpu else [])]
            patience = None if run == "step" else given.patience  # the peers are asked for what the step chose
            try:
                subprocess.run([sys.executable, __file__, *asked], check=True, timeout=patience)
            except subprocess.TimeoutExpired:
                found["runs"][run] = {"given_up_after_s": given.patience}
                sys.stdout.write(f"{run:<8} given up after {given.patience:,.0f} s\n")
                continue
            entry = json.loads((folder / f"{run}.json").read_text())
            entry |= {"recall": recall(folder, run, pairs), "peak_per_matrix": entry["peak_mb"] / size}
            found["runs"][run] = entry
            sys.stdout.write(line(run, entry))
            sys.stdout.flush()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{given.out}.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
