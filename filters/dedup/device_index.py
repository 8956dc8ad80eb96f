"""Exact search on a GPU.

FAISS's GPU indexes answer k-nearest queries only; a range query built from them loses pairs as soon as one row has
more than 2,048 near duplicates. A tiled matrix product with a threshold has no such limit and is what a GPU does best.
"""

import ctypes
from typing import Any

import numpy as np

from filters.dedup.vectors import Floats, Ints
from schemas.errors import MissingDependencyError


class DeviceFlat:
    """A flat inner-product index on a torch device, with the part of FAISS's interface that deduplication uses.

    Holds `rows x dim` in half precision (float32 on CPU, where half is slow); results are candidates that the caller
    checks in float64, so the 5e-4 that half precision costs at a cosine of one only has to fit in the radius' margin.
    """

    def __init__(self, rows: int, dim: int, device: str = "cuda", tile: int = 1 << 18) -> None:
        self._torch = _torch()
        self._dtype = self._torch.float32 if device == "cpu" else self._torch.float16
        self._stored = self._torch.empty((rows, dim), dtype=self._dtype, device=device)
        self._device, self._tile = device, tile
        self.ntotal = 0

    def add(self, block: Floats) -> None:
        """Append rows, up to the number given at construction."""
        end = self.ntotal + len(block)
        self._stored[self.ntotal : end] = self._put(block)
        self.ntotal = end

    def range_search(self, block: Floats, radius: float) -> tuple[Ints, Floats, Ints]:
        """`(lims, scores, ids)` of all stored rows with an inner product above `radius`, as FAISS returns them."""
        queries = self._put(block)
        parts: list[tuple[Any, Any, Any]] = []
        for start in range(0, self.ntotal, self._tile):
            scores = queries @ self._stored[start : min(start + self._tile, self.ntotal)].T
            row, column = (scores > radius).nonzero(as_tuple=True)
            parts.append((row.cpu().numpy(), scores[row, column].float().cpu().numpy(), (column + start).cpu().numpy()))
        rows, values, ids = (np.concatenate([p[i] for p in parts]) for i in range(3))
        order = np.lexsort((ids, rows))
        lims = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(block)))]).astype(np.int64)
        return lims, values[order], ids[order].astype(np.int64)

    def _put(self, block: Floats) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(block)).to(self._device, self._dtype)


def gpu_count() -> int:
    """How many GPUs torch can use; 0 where torch is missing. Without a driver, torch is not even imported."""
    if not any(_loads(driver) for driver in ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")):
        return 0
    try:
        return int(_torch().cuda.device_count())
    except MissingDependencyError:
        return 0


def gpu_memory() -> int:
    """Bytes of the GPU that an index may fill: four fifths of what is free."""
    return int(_torch().cuda.mem_get_info()[0]) * 4 // 5


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("torch", "gpu", "Searching embeddings on a GPU") from error
    return torch
