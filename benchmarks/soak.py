"""Many requests through a server that fails in every way, with kills in between; exits with 1 where a law is broken:
`python benchmarks/soak.py [--prompts 100000] [--n 2] [--rate 0.05] [--kills 5] [--out FILE]`.

The laws: the build ends; each wanted key is in the log once; a server gave no more than was wanted and what was in flight
at a kill; no row disappears; memory is flat. By default 200,000 answers are wanted, in about as many requests: once a server
gave one choice of several more often than not, the driver asks for them one by one.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

CONCURRENCY = 64
BUILD = """
import sys
from pathlib import Path
from pipelines.job import compile_recipe, open_job
folder = Path(sys.argv[1])
open_job(compile_recipe(str(folder / "soak.yaml")), folder / "out").run()
"""
RECIPE = """\
name: soak
models:
  m: {{model: m, engine: openai, base_urls: ["{url}"], concurrency: {concurrency}}}
driver: {{backoff_s: 0.01, backoff_max_s: 0.1}}
sources:
  - {{type: jsonl, name: sums, path: {rows}, license: MIT}}
steps:
  - rollout: {{model: m, n: {n}, sampling: {{temperature: 1.0, max_tokens: 64}}}}
  - verify: {{of: rollout}}
  - difficulty
  - release: {{rl: {{of: sample}}}}
"""


def resident(pid: int) -> float:
    """MB that a process has in memory; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def run(folder: Path, port: int, n: int, kills: list[int]) -> tuple[list[dict[str, Any]], int]:
    """Build to the end, killed each time so many answers were given. Returns memory over answers, and the last exit code."""
    seen: list[dict[str, Any]] = []
    for life in range(len(kills) + 1):
        child = subprocess.Popen([sys.executable, "-c", BUILD, str(folder)])
        while child.poll() is None:
            stats = told(port, n)
            seen.append({"life": life, "given": stats["given"], "mb": round(resident(child.pid), 1)})
            if life < len(kills) and stats["given"] >= kills[life]:
                child.send_signal(signal.SIGKILL)
                child.wait()
            time.sleep(0.5)
        if child.returncode != -signal.SIGKILL:
            return seen, child.returncode
    raise AssertionError("unreachable: the last life is killed by nobody")


def told(port: int, n: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats?n={n}", timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def growth(seen: list[dict[str, Any]]) -> float:
    """How much the longest life grew while it asked: its largest memory in the last third over that in the middle third."""
    lives: dict[int, list[dict[str, Any]]] = {}
    for one, after in pairwise(seen):
        if one["life"] == after["life"] and one["given"] != after["given"]:
            lives.setdefault(one["life"], []).append(one)
    longest = max(lives.values(), key=lambda life: life[-1]["given"] - life[0]["given"], default=[])
    third = len(longest) // 3
    if third < 3:
        return 1.0
    middle, last = (max(one["mb"] for one in part) for part in (longest[third : 2 * third], longest[2 * third :]))
    return float(last / middle)


def broken(folder: Path, stats: dict[str, Any], seen: list[dict[str, Any]], given: argparse.Namespace) -> list[str]:
    """The laws that do not hold."""
    from pipelines.job import compile_recipe, open_job
    from pipelines.store.completions import CompletionsLog

    keys = CompletionsLog(folder / "out" / "log" / "completions").scan().select("key").collect()["key"]
    records = open_job(compile_recipe(str(folder / "soak.yaml")), folder / "out").records()
    faults = []
    if len(keys) != keys.n_unique():
        faults.append(f"{len(keys) - keys.n_unique()} keys are in the log twice")
    if keys.n_unique() != given.prompts * given.n:
        faults.append(f"{keys.n_unique()} keys are in the log, and {given.prompts * given.n} are wanted")
    if stats["more_than_wanted"] > given.kills * CONCURRENCY:
        faults.append(f"{stats['more_than_wanted']} answers were asked for twice, more than were in flight at kills")
    for record in records:
        if record["step"] != "rollout" and record["in"] != record["kept"] + sum(record["dropped"].values()):
            faults.append(
                f"{record['step']}: {record['in']} rows in, {record['kept']} kept, {record['dropped']} dropped"
            )
    if growth(seen) > 1.15:
        faults.append(f"memory grew by {growth(seen):.2f} in the last third")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--n", type=int, default=2, help="samples of each prompt")
    parser.add_argument("--rate", type=float, default=0.05, help="the share of requests that fail")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    chance, started = random.Random(0), time.monotonic()
    command = [sys.executable, str(Path(__file__).with_name("soak_server.py")), str(given.rate)]
    with tempfile.TemporaryDirectory() as scratch, subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port, folder = int(server.stdout.readline()), Path(scratch)
            with (folder / "sums.jsonl").open("w") as file:
                for i in range(given.prompts):
                    a, b = chance.randrange(1000), chance.randrange(1000)
                    row = {"question": f"What is {a} plus {b}, case {i}?", "answer": str(a + b), "kind": "number"}
                    file.write(json.dumps(row) + "\n")
            about = {"url": f"http://127.0.0.1:{port}/v1", "rows": folder / "sums.jsonl"}
            (folder / "soak.yaml").write_text(RECIPE.format(**about, n=given.n, concurrency=CONCURRENCY))
            total = given.prompts * given.n
            kills = [total * (i + 1) // (given.kills + 1) for i in range(given.kills)]
            seen, code = run(folder, port, given.n, kills)
            stats = told(port, given.n)
            faults = [f"the build ended with {code}"] if code else broken(folder, stats, seen, given)
        finally:
            server.kill()
    every = max(1, len(seen) // 40)
    result = {
        "prompts": given.prompts,
        "n": given.n,
        "kills": given.kills,
        "seconds": round(time.monotonic() - started),
        "server": stats,
        "memory": seen[::every],
        "most_mb": max(one["mb"] for one in seen),
        "growth": round(growth(seen), 3),
        "broken": faults,
    }
    text = json.dumps(result, indent=1)
    print(text)  # noqa: T201
    if given.out is not None:
        given.out.write_text(text + "\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
