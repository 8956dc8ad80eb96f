"""The parts `exact` and `ivf` of `gpu.py`: near duplicates of many vectors by `filters.dedup`, beside bare FAISS.

Where `filters.dedup` searches an IVF on the processor, ten million vectors are hours of it, and the part takes a million;
the line says where it ran.
"""

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from dedup_scale import run
from dedup_speed import THRESHOLD, write_vectors

from filters.dedup.index import IndexConfig, choose, load_faiss
from pipelines.store.memory import parse_size

SIZES = {"exact": (1_000_000, 20_000, "16GB"), "ivf": (10_000_000, 20_000, "64GB")}
"""Rows on a GPU and with `--small`, and the memory that the search may take."""

WRITTEN = 100_000
"""Rows that are drawn on the processor; beyond, a GPU draws them, which takes a tenth of the time."""

NEIGHBOURS = 16
BLOCK = 8192


def measure(given: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Seconds of curate and of the bare library over the same vectors."""
    full, small, memory = SIZES[kind]
    rows, dim = (small, 128) if given.small else (full, 1024)
    config = IndexConfig.model_validate({"kind": kind, "gpu": True})
    if kind == "ivf" and not given.small and not choose(rows, dim, config).gpu:
        rows //= 10
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "vectors.npy"
        (write_vectors if rows <= WRITTEN else write_on_gpu)(path, rows, dim)
        ours = run(Path(scratch), parse_size(memory), config)
        probed = re.search(r"(\d+) probed", ours["said"])
        bare = faiss_alone(np.load(path, mmap_mode="r"), int(probed[1]) if probed else None)
    lines = [
        f"{ours['said']}: {ours['wall_s']:.1f} s, {ours['planted_gone']:.3f} of planted copies gone, "
        f"{ours['resolved']:.4f} of true pairs resolved",
        f"bare FAISS, {bare['index']}, {NEIGHBOURS} nearest of each row: {bare['seconds']:.1f} s; "
        f"curate over bare {ours['wall_s'] / bare['seconds']:.2f}",
    ]
    return {"curate": ours, "faiss": bare, "lines": lines}


def write_on_gpu(path: Path, rows: int, dim: int) -> None:
    """What `dedup_speed.write_vectors` writes, drawn by torch: 20 clusters a thousand rows, the last tenth near copies."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    chance = torch.Generator(device).manual_seed(0)
    centres = torch.randn(max(1, rows // 50), dim, generator=chance, device=device)
    matrix: Any = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dim))  # type: ignore[no-untyped-call]
    own = rows - rows // 10
    for start in range(0, rows, WRITTEN):
        size = min(WRITTEN, (own if start < own else rows) - start)
        noise = torch.randn(size, dim, generator=chance, device=device)
        if start < own:
            block = centres[torch.randint(len(centres), (size,), generator=chance, device=device)] + noise
            found = torch.nn.functional.normalize(block)
        else:
            places = torch.randint(own, (size,), generator=chance, device=device).sort().values
            base = torch.from_numpy(np.asarray(matrix[places.cpu().numpy()], dtype=np.float32)).to(device)
            noise = torch.nn.functional.normalize(noise - (noise * base).sum(1, keepdim=True) * base)
            cosine = THRESHOLD + (1 - THRESHOLD) * torch.rand(size, 1, generator=chance, device=device)
            found = cosine * base + (1 - cosine**2).sqrt() * noise
        matrix[start : start + size] = found.half().cpu().numpy()
    matrix.flush()


def faiss_alone(matrix: Any, probes: int | None) -> dict[str, Any]:
    """As FAISS's own pages do it: build the index, on a GPU where this FAISS has one, add all, search all. An IVF
    with so many `probes`, or a flat one."""
    faiss = load_faiss()
    rows, dim = matrix.shape
    started = time.perf_counter()
    if probes is None:
        index, name = faiss.IndexFlatIP(dim), "IndexFlatIP"
    else:
        lists = int(4 * np.sqrt(rows))
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, lists, half, faiss.METRIC_INNER_PRODUCT, False
        )
        index.nprobe, name = probes, f"IndexIVFScalarQuantizer, {lists} lists, {probes} probed"
    if hasattr(faiss, "StandardGpuResources"):
        options = faiss.GpuClonerOptions()
        options.useFloat16 = True
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index, options)
        name += " on GPU"
    if probes is not None:
        places = np.linspace(0, rows - 1, min(rows, 40 * lists), dtype=np.int64)
        index.train(np.asarray(matrix[places], dtype=np.float32))
    for start in range(0, rows, BLOCK):
        index.add(np.asarray(matrix[start : start + BLOCK], dtype=np.float32))
    for start in range(0, rows, BLOCK):
        index.search(np.asarray(matrix[start : start + BLOCK], dtype=np.float32), NEIGHBOURS)
    return {"index": name, "seconds": time.perf_counter() - started}
