"""Requests a second and core of the driver against an instant server on loopback, beside bare aiohttp and the openai client.

    python benchmarks/driver_rate.py [--requests 2000] [--rounds 5] [--loads text small large] [--out FILE]

Every side asks the same prompts, 64 in flight, and the sides take turns in each round. A rate is requests over seconds of
processor time of this process, all its threads: the server has a core of its own. `aiohttp` posts bodies that were made
beforehand and parses the replies; `openai` is its `AsyncOpenAI` (left out where it is not installed); `engine` is curate's
engine alone; `curate` is the whole driver with keys, retries, journal and parts. Loads: text; and text with an image that
four requests share, of 64 pixels (2 KB) and of 1,024 (270 KB). The limit, on text: 2,000 requests a second and core.

Prints medians with the wall-clock rates in brackets, and writes benchmarks/results/driver_rate.json.
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
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from loopback import fleet

from generators.engines.openai.chat import DataUrls, chat_body, chat_messages
from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.completion import ImagePart, Message, Request, Sampling, prompt_key
from schemas.engine import Engine, ModelConfig
from schemas.ids import hash_text, seeded

IN_FLIGHT = 64
LIMIT = 2000.0
SIZES = {"text": 0, "small": 64, "large": 1024}
SYSTEM = "You look at images closely and answer in one sentence. " * 8
RESULT = Path(__file__).parent / "results" / "driver_rate.json"


class Images:
    """A folder of noisy JPEG images, by name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def draw(self, size: int, number: int) -> str:
        from PIL import Image

        name = hash_text(f"{size}:{number}")
        if not self.path(name).exists():
            noise = Image.frombytes("L", (size // 8, size // 8), seeded(1, name).randbytes(size * size // 64))
            noise.resize((size, size)).convert("RGB").save(self.path(name), quality=90)
        return name

    def path(self, sha256: str) -> Path:
        return self._root / f"{sha256}.jpg"

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()


def requests_of(number: int, size: int, media: Images) -> list[Request]:
    found = []
    for i in range(number):
        text = f"Question {i}: what is to be seen, and where? " * 4
        content = (ImagePart(media.draw(size, i // 4)), text) if size else (text,)
        found.append(Request(str(i), (Message("system", (SYSTEM,)), Message("user", content)), Sampling(max_tokens=64)))
    return found


async def window(jobs: Sequence[Any], ask: Callable[[Any], Awaitable[None]]) -> None:
    """All jobs, so many at a time."""
    left = iter(jobs)

    async def worker() -> None:
        for job in left:
            await ask(job)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


def bare(bodies: Sequence[bytes], url: str) -> None:
    async def run() -> None:
        import aiohttp

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

            async def ask(body: bytes) -> None:
                headers = {"content-type": "application/json", "authorization": "Bearer x"}
                async with session.post(f"{url}/chat/completions", data=body, headers=headers) as reply:
                    assert json.loads(await reply.read())["choices"][0]["message"]["content"]

            await window(bodies, ask)

    asyncio.run(run())


def plain(bodies: Sequence[bytes], url: str) -> None:
    import openai

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:

            async def ask(body: dict[str, Any]) -> None:
                assert (await client.chat.completions.create(**body)).choices[0].message.content

            await window([json.loads(body) for body in bodies], ask)

    asyncio.run(run())


def engine_alone(requests: Sequence[Request], engine: Engine) -> None:
    async def run() -> None:
        await engine.start()

        async def ask(request: Request) -> None:
            assert (await engine.complete(request, [0]))[0].text

        await window(requests, ask)
        await engine.close()

    asyncio.run(run())


def driven(requests: Sequence[Request], engine: Engine) -> None:
    calls = (Call(r, prompt_key(engine.identity, r), (0,)) for r in requests)
    with (
        tempfile.TemporaryDirectory() as scratch,
        Session(engine) as session,
        CompletionsLog(Path(scratch)).writer(engine.identity) as log,
    ):
        assert session.drive(calls, log, DriverConfig(), total=len(requests)).samples == len(requests)


def rates(number: int, run: Callable[[], None]) -> tuple[float, float]:
    """Requests a second of processor time, and of wall-clock."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return number / cpu, number / (time.perf_counter() - wall)


def load(name: str, number: int, rounds: int, media: Images, url: str) -> dict[str, Any]:
    config = ModelConfig(model="m", engine="openai", base_urls=(url,), concurrency=IN_FLIGHT)
    requests, urls = requests_of(number, SIZES[name], media), DataUrls(media, most=1 << 30)
    bodies = [b"".join(chat_body("m", chat_messages(request, urls), {"max_tokens": 64})) for request in requests]
    sides: dict[str, Callable[[], None]] = {"aiohttp": lambda: bare(bodies, url)}
    if importlib.util.find_spec("openai"):
        sides["openai"] = lambda: plain(bodies, url)
    sides["engine"] = lambda: engine_alone(requests, make_engine(config, media))
    sides["curate"] = lambda: driven(requests, make_engine(config, media))
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for turn in range(rounds + 1):
        for side, run in sides.items():
            once = rates(number, run)
            if turn:  # the first warms up
                found[side].append(once)
    middle = {s: [round(statistics.median(r[kind] for r in rs)) for kind in (0, 1)] for s, rs in found.items()}
    ratios = {
        peer: round(statistics.median(m[0] / p[0] for m, p in zip(found["curate"], found[peer], strict=True)), 3)
        for peer in ("aiohttp", "openai")
        if peer in found
    }
    return {"load": name, "requests": number, "bytes": len(bodies[0]), "rates": middle, "curate_over": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loads", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as scratch, fleet() as ((url,), _):
        for name in given.loads:
            row = load(name, given.requests, given.rounds, Images(Path(scratch)), url)
            found.append(row)
            shown = "  ".join(f"{side} {cpu:,} ({wall:,})" for side, (cpu, wall) in row["rates"].items())
            sys.stdout.write(f"{name:6} {row['bytes']:7,} B  requests/s of one core: {shown}\n")
            sys.stdout.write(f"       curate over {row['curate_over']}\n")
            if name == "text":
                verdict = "ok" if row["rates"]["curate"][0] >= LIMIT else "BELOW"
                sys.stdout.write(f"       limit {LIMIT:,.0f} on text: {verdict}\n")
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
