"""How full the driver keeps a fleet: its makespan beside a perfect one's and the openai client's, also while servers die.

    python benchmarks/makespan.py [--requests 2000] [--rounds 5] [--median 0.5] [--out FILE]

Servers on loopback take a log-normal time for each request, the same whenever it is asked, and hold 64 requests at once.

steady: one server. `perfect` starts the next request on the first free place the moment it is free, at no cost. `openai`
    is the client library with 64 workers (left out where it is not installed). Limits: 0.96 of perfect, and not slower than
    `openai`, by the medians of rounds taken in turn.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--median", type=float, default=0.5, help="seconds of a request")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    contents = [f"question {i}" for i in range(given.requests)]
    load = Load(given.median)
    whole = perfect(contents, load, 1, PLACES, {})
    deaths: dict[int, Outage] = {0: (whole / 4, float("inf")), 1: (whole / 2, float("inf"))}
    best = {"steady": whole, "dying": perfect(contents, load, SERVERS, PLACES // SERVERS, deaths)}
    found: dict[str, list[tuple[float, float]]] = {"steady": [], "openai": [], "dying": []}
    for _ in range(given.rounds):
        with fleet(1, load) as (urls, clock):
            found["steady"].append(curate(contents, urls, clock))
            if importlib.util.find_spec("openai"):
                found["openai"].append(plain(contents, urls[0]))
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
        if name == "steady" and middle["openai"]:
            theirs, their_cpu = middle["openai"]
            row |= {"openai_s": theirs, "openai_cpu_s": their_cpu}
            sys.stdout.write(
                f"        {theirs / seconds:.3f} of openai's rate: {theirs:.2f} s, {their_cpu:.2f} s of processor time\n"
            )
        rows.append(row)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
