"""How long a recipe waits for its answers from a log of ten million, and how much memory that takes.

    python benchmarks/log_rows.py [--rows 10000000] [--folder FOLDER]     # 10,000,000 rows take 1 GB of disk and 5 minutes

The log is as builds leave it: parts of 4,096 replies of 200 bytes of eight models, in the order of asking. A process of its
own sees which of the wanted answers are missing and reads the texts of all, as a build does. What is wanted:

    1,000 together        of 125 prompts that one build asked; at most 2 s and 500 MB
    1,000 anywhere        of as many prompts of all builds: nearly as many row groups, each read and proven; as much
    1,000,000 together    of 125,000 prompts of one build; at most 60 s and 2 GB
    1,000,000 anywhere    of as many prompts; as much

The limits are those of processor time, which other work on the machine changes less than it does seconds; both are printed.
`polars` is the peer in the same run: it scans the parts for the wanted keys and proves nothing. Prints a table, with the
median of three, and writes benchmarks/results/log_rows.json.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import polars as pl

from pipelines.store.completions import WANTED, CompletionsLog
from schemas.completion import COMPLETION, completion_key

PART = 4096
SAMPLES = 8
MODELS = 8
WORDS = 20
PLACES = ("together", "anywhere")
LIMITS = {
    f"{number} {where}": limit for number, limit in ((1000, (2.0, 0.5)), (1_000_000, (60.0, 2.0))) for where in PLACES
}
"""Seconds and GB."""
RESULTS = Path(__file__).parent / "results" / "log_rows.json"


def write_log(folder: Path, rows: int) -> None:
    """Parts as builds write them."""
    chance = Random(0)
    words = [hashlib.sha256(str(i).encode()).hexdigest()[:9] for i in range(5000)]
    log, began = CompletionsLog(folder / "log"), datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, rows, PART):
        numbers = range(start, min(rows, start + PART))
        prompts = [prompt(number // SAMPLES) for number in numbers]
        facts: dict[str, list[Any]] = {
            "key": [completion_key(own, number % SAMPLES) for own, number in zip(prompts, numbers, strict=True)],
            "prompt_key": prompts,
            "index": [number % SAMPLES for number in numbers],
            "text": [" ".join(chance.choices(words, k=WORDS)) for _ in numbers],
            "created_at": [began + timedelta(microseconds=number) for number in numbers],
        }
        same = {"model": f"model-{start * MODELS // rows}", "revision": "r", "sampling": "{}", "finish_reason": "stop"}
        table = pl.DataFrame(facts).with_columns(**{name: pl.lit(value) for name, value in same.items()})
        others = {name: pl.lit(None) for name in COMPLETION if name not in table.columns}
        others |= {"prompt_tokens": pl.lit(400), "completion_tokens": pl.lit(40)}
        log.files.write(table.with_columns(**others).select(list(COMPLETION)).cast(dict(COMPLETION)))


def prompt(number: int) -> str:
    return f"{number:032x}"


def wanted(folder: Path, rows: int) -> Iterator[str]:
    """Write what is wanted, and the rows that want it; yield the names."""
    prompts = rows // SAMPLES
    for number in (1000, 1_000_000):
        chance, few = Random(number), min(number // SAMPLES, prompts)
        start = (prompts - few) // 2
        together = [(p, i) for p in range(start, start + few) for i in range(SAMPLES)]
        anywhere = [(p, chance.randrange(SAMPLES)) for p in chance.sample(range(prompts), min(number, prompts))]
        for name, places in zip(PLACES, (together, anywhere), strict=True):
            asked = [(prompt(p), prompt(p), i, completion_key(prompt(p), i)) for p, i in places]
            table = pl.DataFrame(asked, schema=WANTED, orient="row").sort("id", "index")
            table.write_parquet(folder / f"{number} {name}.wanted.parquet")
            table.select(pl.col("id").unique().sort()).write_parquet(folder / f"{number} {name}.rows.parquet")
            yield f"{number} {name}"


def measure(folder: Path, name: str, peer: bool) -> None:
    """Run in a process of its own, so that time and memory are those of one build; prints JSON."""
    keys, rows = folder / f"{name}.wanted.parquet", folder / f"{name}.rows.parquet"
    started = time.perf_counter()
    answers = 0
    if peer:
        scan = pl.scan_parquet(folder / "log" / "part-*.parquet").join(pl.scan_parquet(keys), on="key", how="semi")
        answers = scan.select("key", "text").collect(engine="streaming").height
    else:
        log = CompletionsLog(folder / "log")
        missing = log.missing(keys, folder / "missing.parquet")
        for piece in log.answers(keys, rows):
            answers += piece["text"].count()
        assert answers + missing == pl.scan_parquet(keys).select(pl.len()).collect().item()
    used = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "answers": answers,
        "seconds": round(time.perf_counter() - started, 2),
        "busy": round(used.ru_utime + used.ru_stime, 2),
        "peak_gb": round(used.ru_maxrss / 2**20, 2),
    }
    sys.stdout.write(json.dumps(facts))


def run(folder: Path, name: str, who: str, times: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", name, "--peer" if who == "polars" else "--ours", "--folder"]
    found = []
    for _ in range(times):
        done = subprocess.run([*command, str(folder)], check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout))
    return {fact: median(one[fact] for one in found) for fact in found[0]}


def compare(folder: Path, rows: int, times: int) -> bool:
    """Print and keep what was measured; whether all is within the limits."""
    if not (folder / "log").is_dir():
        write_log(folder, rows)
    within, results = True, {}
    for name in wanted(folder, rows):
        both = {who: run(folder, name, who, times) for who in ("ours", "polars")}
        seconds, gb = LIMITS[name]
        ours = both["ours"]
        whole = ours["answers"] == both["polars"]["answers"]
        for who, one in both.items():
            took = f"{one['busy']:6.2f} s of processor time, {one['seconds']:6.2f} s, {one['peak_gb']:5.2f} GB"
            sys.stdout.write(f"{name:18} {who:7} {one['answers']:>9,} answers {took}\n")
        words = f"ours / polars {ours['busy'] / both['polars']['busy']:.2f}"
        words += f", ours / limit of {seconds:.0f} s {ours['busy'] / seconds:.2f}"
        words += f", ours / limit of {gb} GB {ours['peak_gb'] / gb:.2f}"
        within = within and ours["busy"] <= seconds and ours["peak_gb"] <= gb
        sys.stdout.write(f"{name:18} {words}\n")
        sys.stdout.flush()
        within, results[name] = within and whole, both
    RESULTS.write_text(json.dumps({"rows": rows, **results}, indent=1) + "\n")
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the log lies or is made; kept where given")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.folder, options.measure, options.peer)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not compare(folder, options.rows, options.times):
            sys.exit("beyond a limit, or not all answers")


if __name__ == "__main__":
    main()
