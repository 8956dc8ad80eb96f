"""What replicas on a Ray cluster give: two beside one, and the makespan while one of them dies.

    python benchmarks/ray_replicas.py [--rounds 3] [--requests 96] [--out FILE]

A real cluster of two nodes with one CPU each on this machine; loading the model is not counted.

embedded: the reference VLM captions scenes in one replica and in two. `ratio` is the gain of the second core. A bare pair of
    processes would have 2; both nodes share the machine with the driver.
dying: replicas that wait a log-normal time for each request instead of answering (processor time decides nothing), two of
    16 places each; one process is killed after half of the perfect makespan, and a new one takes its place. `perfect` serves
    the lost requests again on the places that are left, as `benchmarks/makespan.py` does. Limit: 0.93 of it.

Prints a table and writes benchmarks/results/ray_replicas.json.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from loopback import latency
from makespan import NoImages
from ray_cluster import two_nodes

from generators.engines.ray.engine import RayEngine
from generators.engines.select import make_engine
from generators.models import identify
from generators.scenes import iter_scenes, render
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.completion import Completion, ImagePart, Message, Request, Sampling, prompt_key
from schemas.engine import Engine, MediaReader, ModelConfig
from schemas.ids import hash_text

PLACES, MEDIAN_S, LIMIT = 16, 0.5, 0.93
RESULT = Path(__file__).parent / "results" / "ray_replicas.json"


class Waits:
    """Answers after the time of a request."""

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        self.identity, self.concurrency = identify(config), config.concurrency

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        await asyncio.sleep(latency(str(request.messages[0].content[0]), MEDIAN_S))
        return [Completion(index, f"{os.getpid()}", "stop", 1, 1) for index in indexes]


class Scenes:
    """Rendered scenes as stored images."""

    def __init__(self, folder: Path, number: int) -> None:
        self.names, self._folder = [hash_text(f"{n}") for n in range(number)], folder
        for name, scene in zip(self.names, iter_scenes("curate", number, seed=1, levels=(1,)), strict=True):
            render(scene).save(self.path(name))

    def path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.png"

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()


def config(replicas: int, concurrency: int) -> ModelConfig:
    section = {"replicas": replicas, "engine": "transformers", "num_cpus": 1, "num_gpus": 0}
    return ModelConfig.model_validate(
        {"model": "reference-vlm", "engine": "ray", "concurrency": concurrency, "ray": section}
    )


def driven(engine: RayEngine, requests: Sequence[Request], places: int, kill_s: float | None = None) -> float:
    """Seconds from the first request to the last answer, once all replicas are up."""
    calls = [Call(r, prompt_key(engine.identity, r), (0,)) for r in requests]
    with (
        tempfile.TemporaryDirectory() as scratch,
        Session(engine) as session,
        CompletionsLog(Path(scratch)).writer(engine.identity) as log,
    ):

        async def up() -> None:
            await session.start()
            while engine.concurrency < places:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        session._loop.run(up())
        if kill_s is not None:
            session._loop.get_loop().call_later(kill_s, kill_one)
        started = time.monotonic()
        receipt = session.drive(iter(calls), log, DriverConfig(), total=len(calls))
        assert receipt.samples == len(calls)
        return time.monotonic() - started


def kill_one() -> None:
    """The first replica on this machine."""
    for folder in sorted(Path("/proc").glob("[0-9]*")):
        try:
            if b"ray::EngineActor" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                return
        except OSError:
            continue


def perfect(times: Sequence[float], dies: float | None) -> float:
    """Makespan of the first free place for the next request; half of the places are gone after `dies`."""
    import heapq

    places, left, lost, end = (
        [(0.0, n) for n in range(2 * PLACES)],
        list(reversed(times)),
        list[tuple[float, float]](),
        0.0,
    )
    while left or lost:
        now, place = heapq.heappop(places)
        mortal = dies is not None and place % 2 == 0
        if mortal and dies is not None and now >= dies:
            continue
        if lost and (lost[0][0] <= now or not left):
            freed, took = heapq.heappop(lost)
            now = max(now, freed)
        else:
            took = left.pop()
        if mortal and dies is not None and now + took > dies:
            heapq.heappush(lost, (dies, took))
            continue
        heapq.heappush(places, (now + took, place))
        end = max(end, now + took)
    return end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    root = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([root, str(Path(root).parent), os.environ.get("PYTHONPATH", "")])
    engine_of: Any = make_engine
    with tempfile.TemporaryDirectory() as folder, two_nodes():
        scenes = Scenes(Path(folder), given.requests)
        sampling = Sampling(temperature=0.0, max_tokens=48)
        shown = [
            Request(name, (Message("user", (ImagePart(name), "Describe the image.")),), sampling)
            for name in scenes.names
        ]
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(given.rounds):
            for replicas, found in seconds.items():
                found.append(driven(RayEngine(config(replicas, 16), scenes, engine_of), shown, 16 * replicas))
        contents = [f"question {n}" for n in range(10 * 2 * PLACES)]
        times = [latency(content, MEDIAN_S) for content in contents]
        asked = [Request(content, (Message("user", (content,)),)) for content in contents]
        dies = perfect(times, None) / 2
        best, dying = perfect(times, dies), []
        for _ in range(given.rounds):
            waiting: type[Engine] = Waits
            dying.append(driven(RayEngine(config(2, PLACES), NoImages(), waiting), asked, 2 * PLACES, dies))
    one, two, lost = (statistics.median(found) for found in (seconds[1], seconds[2], dying))
    verdict = "ok" if best / lost >= LIMIT else "BELOW"
    sys.stdout.write(f"embedded {one / two:.2f} times as fast with two replicas: {two:.2f} s, {one:.2f} s with one\n")
    sys.stdout.write(f"dying    {best / lost:.3f} of perfect (limit {LIMIT}) {verdict}: {lost:.2f} s of {best:.2f} s\n")
    rows = [
        {"case": "embedded", "requests": given.requests, "one_s": one, "two_s": two, "ratio": one / two},
        {
            "case": "dying",
            "requests": len(asked),
            "perfect_s": best,
            "curate_s": lost,
            "ratio": best / lost,
            "limit": LIMIT,
        },
    ]
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
