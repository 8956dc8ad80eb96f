"""Perceptual hashes: images hashed a minute on one core, and a million hashes searched at Hamming distance 6.

    python benchmarks/dedup_hashes.py [--hashes 1000000] [--images 2000]

Beside the search of `filters.dedup.hamming`, FAISS's binary indexes answer a sample of the same queries in the same run;
their time for all of them is scaled from the sample and says so. Prints a table and writes
benchmarks/results/dedup_hashes.json.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from filters.dedup.hamming import hamming_pairs
from filters.dedup.image_hash import image_hash
from filters.dedup.index import load_faiss
from generators.scenes import make_scene, render

RESULTS = Path(__file__).parent / "results"
DISTANCE = 6


def planted(number: int) -> npt.NDArray[np.uint64]:
    """Random hashes, of which the last tenth are others with up to eight bits flipped."""
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 2**64, number, dtype=np.uint64)
    copies = number // 10
    moved = hashes[:copies].copy()
    for _ in range(8):
        flip = chance.random(copies) < 0.6
        moved ^= np.where(flip, np.uint64(1) << chance.integers(0, 64, copies).astype(np.uint64), np.uint64(0))
    hashes[-copies:] = moved
    return hashes


def hashing(number: int) -> dict[str, dict[str, int]]:
    """Images a minute of one core's time, by size and format: decoded only, and decoded and hashed."""
    found = {}
    for label, size, kind in (("64 px PNG", 64, "PNG"), ("512 px PNG", 512, "PNG"), ("1024 px JPEG", 1024, "JPEG")):
        images = []
        for seed in range(20):
            out = io.BytesIO()
            render(make_scene(seed, 3)).resize((size, size), Image.Resampling.BICUBIC).save(out, kind)
            images.append(out.getvalue())
        speeds = {}
        for what, work in (("decoded", decoded), ("hashed", image_hash)):
            started = time.process_time()
            for turn in range(number):
                work(images[turn % 20])
            speeds[what] = round(60 * number / (time.process_time() - started))
        found[label] = speeds
    return found


def decoded(data: bytes) -> Image.Image:
    """The image in full size, which is what hashing cannot do without for a PNG."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def searching(hashes: npt.NDArray[np.uint64], sample: int) -> dict[str, Any]:
    """Seconds to find all pairs, and what FAISS needs for the same, scaled from a sample of queries."""
    started = time.perf_counter()
    found = np.concatenate([np.stack(pair) for pair in hamming_pairs(hashes, None, DISTANCE)], axis=1)
    seconds = time.perf_counter() - started
    faiss = load_faiss()
    table = hashes.view(np.uint8).reshape(-1, 8)
    first = len(hashes) - sample
    ours = set(zip(*found[:, found[0] >= first].tolist(), strict=True))
    result: dict[str, Any] = {"pairs": found.shape[1], "seconds": round(seconds, 1), "faiss": {}}
    multi = faiss.IndexBinaryMultiHash(64, 4, 16)
    multi.nflip = 1
    for label, index in (("IndexBinaryFlat", faiss.IndexBinaryFlat(64)), ("IndexBinaryMultiHash", multi)):
        started = time.perf_counter()
        index.add(table)
        added = time.perf_counter() - started
        started = time.perf_counter()
        limits, _, ids = index.range_search(table[first:], DISTANCE + 1)
        asked = time.perf_counter() - started
        row = np.repeat(np.arange(sample) + first, np.diff(limits.astype(np.int64)))
        theirs = {(int(i), int(j)) for i, j in zip(row, ids, strict=True) if i > j}
        entry = {"scaled_seconds": round(added + asked * len(hashes) / sample, 1), "same_pairs": theirs == ours}
        result["faiss"][label] = entry
    return result


def main() -> int:
    """Measure, print, write; 1 if the pairs differ from FAISS's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--sample", type=int, default=4_000)
    given = parser.parse_args()
    found: dict[str, Any] = {"hashing_per_minute": hashing(given.images), "hashes": given.hashes}
    found |= {"search": searching(planted(given.hashes), given.sample)}
    for label, speeds in found["hashing_per_minute"].items():
        each = ", ".join(f"{speed:,} {what}" for what, speed in speeds.items())
        sys.stdout.write(f"{label:<14} a minute of one core: {each}\n")
    search = found["search"]
    sys.stdout.write(
        f"{given.hashes:,} hashes, distance {DISTANCE}: {search['pairs']:,} pairs in {search['seconds']} s\n"
    )
    for label, entry in search["faiss"].items():
        sys.stdout.write(f"  {label}: {entry['scaled_seconds']} s (scaled), same pairs: {entry['same_pairs']}\n")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "dedup_hashes.json").write_text(json.dumps(found, indent=1) + "\n")
    return int(not all(entry["same_pairs"] for entry in search["faiss"].values()))


if __name__ == "__main__":
    sys.exit(main())
