"""How long the log takes to say which of a million wanted keys it does not hold, and how much memory.

    python benchmarks/log_keys.py [--keys 1000000]

The limit is 5 s of processor time and 1 GB for 1,000,000 keys on each side. The log proves what it reads; the peer in the
same run, polars' in-memory anti-join of the same two columns, proves nothing. Prints a table and writes
benchmarks/results/log_keys.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipelines.store.completions import WANTED, CompletionsLog
from schemas.completion import COMPLETION, completion_key

PARTS = 20
LIMIT = 5.0
RESULTS = Path(__file__).parent / "results"


def write_log(root: Path, number: int) -> None:
    """A log of `number` keys in parts, and as many wanted keys, half of which it holds."""
    keys = [completion_key("prompt", i) for i in range(number + number // 2)]
    now = datetime.now(UTC)
    log = CompletionsLog(root / "log")
    size = number // PARTS
    for part in range(PARTS):
        own = keys[part * size : (part + 1) * size]
        columns = {
            "key": own, "prompt_key": own, "index": [0] * size, "model": ["m"] * size, "revision": ["r"] * size,
            "sampling": ["{}"] * size, "text": ["a reply of some length " * 8] * size, "reasoning": [None] * size,
            "finish_reason": ["stop"] * size, "prompt_tokens": [400] * size, "completion_tokens": [40] * size,
            "logprobs": [None] * size, "error": [None] * size, "created_at": [now] * size,
        }  # fmt: skip
        log.files.write(pl.DataFrame(columns, schema=COMPLETION))
    wanted = keys[number // 2 :]
    table = pl.DataFrame({"id": wanted, "prompt_key": wanted, "index": [0] * number, "key": wanted}, schema=WANTED)
    table.write_parquet(root / "wanted.parquet")


def measure(root: Path, peer: bool) -> None:
    """Run in a process of its own, so that the peak memory is that of the join alone; prints JSON."""
    started, before = time.perf_counter(), time.process_time()
    if peer:
        keys = pl.scan_parquet(root / "log" / "*.parquet").select("key").collect()
        missing = pl.read_parquet(root / "wanted.parquet").join(keys, on="key", how="anti").height
    else:
        missing = CompletionsLog(root / "log").missing(root / "wanted.parquet", root / "missing.parquet")
    seconds, busy = time.perf_counter() - started, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    facts = {"missing": missing, "seconds": round(seconds, 2), "busy": round(busy, 2), "peak_gb": round(peak, 2)}
    sys.stdout.write(json.dumps(facts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--measure", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.root, arguments.measure == "peer")
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_log(Path(scratch), arguments.keys)
        found = {}
        for name in ("ours", "peer"):
            command = [sys.executable, __file__, "--measure", name, "--root", scratch]
            found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found["ratio_to_peer"] = round(found["ours"]["busy"] / found["peer"]["busy"], 2)
    found["ratio_to_limit"] = round(found["ours"]["busy"] / LIMIT, 2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "log_keys.json").write_text(json.dumps({"keys": arguments.keys, **found}, indent=2) + "\n")
    for name in ("ours", "peer"):
        row = found[name]
        took = f"{row['busy']:6.2f} s of processor time, {row['seconds']:6.2f} s"
        sys.stdout.write(f"{name:5} {row['missing']:>9,} missing  {took}  {row['peak_gb']:5.2f} GB\n")
    sys.stdout.write(f"ours / peer {found['ratio_to_peer']}, ours / limit of {LIMIT:.0f} s {found['ratio_to_limit']}\n")


if __name__ == "__main__":
    main()
