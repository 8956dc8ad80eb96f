"""How full the driver keeps a fleet: its makespan beside a perfect one's and the openai client's, also while servers die.

    python benchmarks/makespan.py [--requests 2000] [--rounds 5] [--median 0.5] [--peers-python PYTHON] [--out FILE]

Servers on loopback take a log-normal time for each request, the same whenever it is asked, and hold 64 requests at once.

steady: one server. `perfect` starts the next request on the first free place the moment it is free, at no cost. `openai`
    is the client library with 64 workers (left out where it is not installed). Limits: 0.96 of perfect, and not slower than
    `openai`, by the medians of rounds taken in turn. With `--peers-python`, a Python that has them, DataDesigner and
    datatrove ask the same server the same prompts in the same rounds, as `benchmarks/makespan_peers.py` says; their seconds
    are the server's, from the first request to the last answer, so that their starting up and reporting does not count.
dying: 32 servers of two places, of which two (6 %) die, after a quarter and after half of the perfect time, with what they
    are at. `perfect` loses the same requests and serves them again as soon as a place is free. Limit: 0.93 of it.

Prints a table and writes benchmarks/results/makespan.json.
"""

import argparse
import asyncio
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loopback import Load, Outage, fleet
from perfect import perfect

from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.completion import Message, Request, prompt_key
from schemas.engine import ModelConfig

PLACES, SERVERS = 64, 32
LIMITS = {"steady": 0.96, "dying": 0.93}
PEERS = ("data_designer", "datatrove")
RESULT = Path(__file__).parent / "results" / "makespan.json"


class NoImages:
    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        raise NotImplementedError


def curate(contents: Sequence[str], urls: Sequence[str], clock: Any) -> tuple[float, float]:
    """Seconds of wall-clock and of processor time."""
    config = ModelConfig(model="m", engine="openai", base_urls=tuple(urls), concurrency=PLACES // len(urls))
    engine = make_engine(config, NoImages())
    requests = [Request(c, (Message("user", (c,)),)) for c in contents]
    calls = [Call(r, prompt_key(engine.identity, r), (0,)) for r in requests]
    with (
        tempfile.TemporaryDirectory() as scratch,
        Session(engine) as session,
        CompletionsLog(Path(scratch)).writer(engine.identity) as log,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF)

        def stream() -> Any:
            clock.send(True)  # as the first is asked, and the engine is up
            yield from calls

        receipt = session.drive(stream(), log, DriverConfig(), total=len(calls))
        after = resource.getrusage(resource.RUSAGE_SELF)
    assert receipt.samples == len(calls), f"{receipt.unanswered} of {len(calls)} were lost"
    return receipt.seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plain(contents: Sequence[str], url: str) -> tuple[float, float]:
    import openai

    async def run() -> float:
        async with openai.AsyncOpenAI(base_url=url, api_key="x") as client:
            left = iter(contents)

            async def worker() -> None:
                for content in left:
                    messages: Any = [{"role": "user", "content": content}]
                    await client.chat.completions.create(model="m", messages=messages)

            started = time.monotonic()
            await asyncio.gather(*(worker() for _ in range(PLACES)))
            return time.monotonic() - started

    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = asyncio.run(run())
    after = resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer(name: str, python: Path, requests: int, load: Load) -> tuple[float, float]:
    """Raises RuntimeError, with what it said last, where it did not come through or left requests out."""
    with fleet(1, load) as ((url,), clock), tempfile.TemporaryDirectory() as folder:
        clock.send(True)
        command = [str(python), str(Path(__file__).with_name("makespan_peers.py")), name, url, str(requests)]
        done = subprocess.run([*command, str(PLACES), folder], capture_output=True, text=True, check=False)
        clock.send(False)
        facts, _ = clock.recv()
    if done.returncode or facts.get("given", 0) < requests:
        raise RuntimeError(f"{name} had {facts.get('given', 0)} of {requests} answers: {done.stderr[-2000:]}")
    return facts["seconds"], json.loads(done.stdout.splitlines()[-1])["cpu_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--median", type=float, default=0.5, help="seconds of a request")
    parser.add_argument("--peers-python", type=Path, help="a Python that has data-designer and datatrove")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    contents = [f"question {i}" for i in range(given.requests)]
    load = Load(given.median)
    whole = perfect(contents, load, 1, PLACES, {})
    deaths: dict[int, Outage] = {0: (whole / 4, float("inf")), 1: (whole / 2, float("inf"))}
    best = {"steady": whole, "dying": perfect(contents, load, SERVERS, PLACES // SERVERS, deaths)}
    peers = PEERS if given.peers_python else ()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("steady", "openai", *peers, "dying")}
    for _ in range(given.rounds):
        with fleet(1, load) as (urls, clock):
            found["steady"].append(curate(contents, urls, clock))
            if importlib.util.find_spec("openai"):
                found["openai"].append(plain(contents, urls[0]))
        for name in peers:
            found[name].append(peer(name, given.peers_python, given.requests, load))
        with fleet(SERVERS, load, deaths) as (urls, clock):
            found["dying"].append(curate(contents, urls, clock))
    middle = {
        name: [statistics.median(column) for column in zip(*rounds, strict=True)] for name, rounds in found.items()
    }
    rows = []
    for name, limit in LIMITS.items():
        seconds, cpu = middle[name]
        row: dict[str, Any] = {"case": name, "requests": given.requests, "perfect_s": best[name], "curate_s": seconds}
        row |= {"curate_cpu_s": cpu, "ratio": best[name] / seconds, "limit": limit}
        verdict = "ok" if row["ratio"] >= limit else "BELOW"
        sys.stdout.write(
            f"{name:7} {row['ratio']:.3f} of perfect (limit {limit}) {verdict}: {seconds:.2f} s of {best[name]:.2f} s, "
            f"{cpu:.2f} s of processor time\n"
        )
        for other in ("openai", *PEERS) if name == "steady" else ():
            if middle.get(other):
                theirs, their_cpu = middle[other]
                row |= {f"{other}_s": theirs, f"{other}_cpu_s": their_cpu}
                sys.stdout.write(
                    f"        {theirs / seconds:.3f} of {other}'s rate, which is {best[name] / theirs:.3f} of perfect: "
                    f"{theirs:.2f} s, {their_cpu:.2f} s of processor time\n"
                )
        rows.append(row)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
