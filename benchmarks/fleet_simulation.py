"""The driver at the size of a cluster: its makespan on 2,000 places of 32 servers that fail, straggle, die and come back.

    python benchmarks/fleet_simulation.py [--requests 30000] [--servers 32] [--places 64] [--median 4] [--faults 0.01]

The driver, its log and its HTTP are the real ones; the servers are on loopback, in one process. A request takes a
log-normal time, one of 200 five times as long; one of a hundred fails (a 429, a 500, a cut connection, a page instead of
JSON); a tenth of the servers die at different times, with what they are at, and all but one come back. `perfect` is the
makespan of a client that starts the next request on the first free place at once, repeats what failed at once, and knows
when a server is back.

Cases: `quiet` has no trouble at all, `faults` those of single requests, `outages` those of servers, `all` both. Prints for
each the ratio to perfect, where the places' time went, the driver's share of a core, by how much its event loop was late,
and its memory; then which of these limits. Writes benchmarks/results/fleet_simulation.json.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopback import SAMPLE_S, Load, Outage, fleet
from perfect import perfect

from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.completion import Message, Request, prompt_key
from schemas.engine import ModelConfig

RESULT = Path(__file__).parent / "results" / "fleet_simulation.json"
TICK_S = 0.05
CASES = ("quiet", "faults", "outages", "all")


class NoImages:
    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        raise NotImplementedError


class Ticker:
    """By how much an event loop is late, in seconds, and how long it computed meanwhile: the rest is other work of the
    machine. What else runs on the loop is held up as long."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.computed: list[float] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            before, busy = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            self.late.append(time.perf_counter() - before - TICK_S)
            self.computed.append(time.thread_time() - busy)


def outages_of(servers: int, whole: float) -> dict[int, Outage]:
    """A tenth of the servers (at least two) are away for a tenth of the perfect time, in turn; the last stays so."""
    dying = max(2, servers // 10)
    starts = [whole * (0.1 + 0.6 * n / dying) for n in range(dying)]
    found = {n: (start, start + whole / 10) for n, start in enumerate(starts)}
    return {**found, dying - 1: (starts[-1], float("inf"))}


def drive(contents: Sequence[str], urls: Sequence[str], each: int, clock: Any) -> dict[str, Any]:
    config = ModelConfig(model="m", engine="openai", base_urls=tuple(urls), concurrency=each)
    engine, ticker = make_engine(config, NoImages()), Ticker()
    start = engine.start

    async def begin() -> None:
        await start()
        ticker.start()

    engine.start = begin  # type: ignore[method-assign]
    with (
        tempfile.TemporaryDirectory() as scratch,
        Session(engine) as session,
        CompletionsLog(Path(scratch)).writer(engine.identity) as log,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF)

        def stream() -> Any:
            clock.send(True)  # as the first is asked, and the engine is up
            for content in contents:
                request = Request(content, (Message("user", (content,)),))
                yield Call(request, prompt_key(engine.identity, request), (0,))

        receipt = session.drive(stream(), log, DriverConfig(), total=len(contents))
        after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": receipt.seconds,
        "answered": receipt.samples,
        "unanswered": receipt.unanswered,
        "retries": receipt.retries,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "loop_late_ms": spread(ticker.late),
        "loop_computed_ms": spread(ticker.computed),
        "peak_gb": after.ru_maxrss / 2**20,
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    found = sorted(seconds)
    return {"median": found[len(found) // 2] * 1e3, "p99": found[len(found) * 99 // 100] * 1e3, "most": found[-1] * 1e3}


def place_seconds(
    held: Sequence[tuple[float, Sequence[int]]], each: int, outages: Mapping[int, Outage], seconds: float
) -> dict[str, float]:
    """Shares of the places' time until the end: at work, away with their server, idle on a server that came back and was
    not asked yet, idle in the tail (once fewer requests were under way than there are places), and idle before that."""
    shares = dict.fromkeys(("at work", "away", "back, not asked", "tail", "between requests"), 0.0)
    seen: set[int] = set()
    tail = next((when for when, _ in held if when >= seconds), seconds)
    for when, busy in reversed(held):  # the tail begins where all places were last at work, or nearly
        if when < seconds and sum(busy) >= 0.97 * each * sum(
            1 for n in range(len(busy)) if not _away(outages, n, when)
        ):
            tail = when
            break
    for when, busy in held:
        if when >= seconds:
            break
        for number, count in enumerate(busy):
            if _away(outages, number, when):
                shares["away"] += each
                continue
            if count > 1:
                seen.add(number) if when >= outages.get(number, (0, 0))[1] else None
            fresh = number in outages and when >= outages[number][1] and number not in seen
            idle = "back, not asked" if fresh else "tail" if when > tail else "between requests"
            shares["at work"] += min(count, each)
            shares[idle] += max(0, each - count)
    whole = sum(shares.values()) or 1.0
    return {name: value / whole for name, value in shares.items()}


def _away(outages: Mapping[int, Outage], number: int, when: float) -> bool:
    since, until = outages.get(number, (float("inf"), 0.0))
    return since <= when < until


def limit(row: Mapping[str, Any]) -> str:
    """What makes it longer than perfect: the driver's core where it is full, else where places were idle the longest."""
    if row["cpu_share"] > 0.85:
        return "the driver's core"
    idle = {name: row["places"][name] for name in ("back, not asked", "between requests", "tail")}
    return max(idle, key=lambda name: idle[name])


def case(name: str, contents: Sequence[str], servers: int, each: int, load: Load) -> dict[str, Any]:
    mine = Load(load.median, load.stragglers, load.faults if name in ("faults", "all") else 0.0)
    whole = perfect(contents, mine, servers, each, {})
    outages = outages_of(servers, whole) if name in ("outages", "all") else {}
    best = perfect(contents, mine, servers, each, outages)
    with fleet(servers, mine, outages) as (urls, clock):
        found = drive(contents, urls, each, clock)
        clock.send(False)
        facts, held = clock.recv()
    row = {"case": name, "perfect_s": best, "ratio": best / found["seconds"], **found, "server": facts}
    row["cpu_share"] = found["cpu_s"] / found["seconds"]
    row["places"] = place_seconds(held, each, outages, found["seconds"])
    row["limit"] = limit(row)
    return row


def lines(row: Mapping[str, Any]) -> str:
    places = ", ".join(f"{what} {share:.1%}" for what, share in row["places"].items())
    late, own = row["loop_late_ms"], row["loop_computed_ms"]["most"]
    return (
        f"{row['case']:8} {row['ratio']:.3f} of perfect: {row['seconds']:.1f} s of {row['perfect_s']:.1f} s; "
        f"{row['answered']:,} answered, {row['unanswered']} not, {row['retries']:,} retries\n"
        f"         places: {places}\n"
        f"         driver: {row['cpu_share']:.0%} of a core, {row['peak_gb']:.2f} GB, loop late {late['median']:.1f} ms "
        f"(p99 {late['p99']:.0f}, most {late['most']:.0f}; its own work at most {own:.0f}); limit: {row['limit']}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--servers", type=int, default=32)
    parser.add_argument("--places", type=int, default=64, help="of each server")
    parser.add_argument("--median", type=float, default=4.0, help="seconds of a request")
    parser.add_argument(
        "--stragglers", type=float, default=0.005, help="share of requests that take five times as long"
    )
    parser.add_argument("--faults", type=float, default=0.01, help="share of requests that fail")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    contents = [f"question {i}" for i in range(given.requests)]
    load = Load(given.median, given.stragglers, given.faults)
    rows = []
    for name in given.cases:
        row = case(name, contents, given.servers, given.places, load)
        sys.stdout.write(lines(row))
        sys.stdout.flush()
        rows.append(row)
    facts = {"created_at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    shape = {"requests": given.requests, "servers": given.servers, "places": given.places, "median_s": given.median}
    shape |= {"stragglers": given.stragglers, "faults": given.faults, "sample_s": SAMPLE_S}
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps({**facts, **shape, "cases": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
