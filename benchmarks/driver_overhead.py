"""What the driver costs on top of vLLM in process. Of servers see `driver_rate.py` and `makespan.py`.

    python benchmarks/driver_overhead.py [--prompts 256] [--rounds 5] [--only text,images]

Tokens/s through curate's driver, log and vLLM engine, over tokens/s of bare `vllm.LLM.generate`, on the same prompts with
the same settings in the same run. Both are loaded at the same time, and the one that does not work waits; both have seen
prompts and images once before; in each round both work, in an order that changes. Two loads: few-shot text (SmolLM2-135M),
and images with 8 samples each (the reference VLM).

Prints the median of the paired ratios with its 95 % bootstrap interval, the same of tokens by processor time (all processes
of a side), and what vLLM's caches held; the limit is 0.97. Writes benchmarks/results/driver_overhead.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine
from vllm_sides import Images, Load, Sides, image_requests, quiet_vllm, text_requests

RESULTS = Path(__file__).parent / "results"
LIMIT = 0.97
SEQUENCES = 64


def measure(name: str, load: Load, rounds: int) -> dict[str, Any]:
    """Both sides of one load, after a round that is not counted."""
    sides = Sides(load)
    try:
        for number in range(rounds + 1):
            once = sides.round(curate_first=number % 2 == 1, counted=number > 0)
            shown = ", ".join(f"{speed:.1f} {side}" for side, speed in once.items())
            sys.stdout.write(f"{name} round {number}: {shown} tokens/s\n")
            sys.stdout.flush()
        return {"case": name, "requests": len(load.requests), "limit": LIMIT, **sides.found()}
    finally:
        sides.close()


def line(row: dict[str, Any]) -> str:
    speeds = {side: round(median(row["tokens_per_s"][side]), 1) for side in ("bare", "curate")}
    verdict = "ok" if row["wall"]["ratio"] >= row["limit"] else "BELOW"
    wall, cpu = (f"{row[kind]['ratio']:.3f} {row[kind]['interval']}" for kind in ("wall", "cpu"))
    return f"{row['case']:8} {wall} (limit {row['limit']}) {verdict}; by processor time {cpu}; {speeds} tokens/s\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="text,images")
    given = parser.parse_args()
    quiet_vllm()
    args = {"enforce_eager": True, "dtype": "float32"}
    with tempfile.TemporaryDirectory() as scratch:
        media = Images(Path(scratch))
        loads = {
            "text": Load("smollm2-135m-instruct", text_requests(given.prompts), media, SEQUENCES, args),
            "images": Load("reference-vlm", image_requests(given.prompts, media, n=8), media, SEQUENCES, args),
        }
        rows = [measure(name, loads[name], given.rounds) for name in given.only.split(",")]
    RESULTS.mkdir(exist_ok=True)
    found = {"machine": machine(), "cases": rows}
    (RESULTS / "driver_overhead.json").write_text(json.dumps(found, indent=1) + "\n")
    for row in rows:
        sys.stdout.write(line(row))


if __name__ == "__main__":
    main()
