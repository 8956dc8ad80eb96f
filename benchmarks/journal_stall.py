"""For how long the driver's event loop is held up while a full journal becomes a part of the log.

    python benchmarks/journal_stall.py [--texts 600 17000] [--rounds 5]

Twelve answers at a time are appended on an event loop, 3 × 4,096 in all, while a ticker notes how late it is called: its
longest delay is the longest time in which nothing is asked and no reply heard. `inline` makes the part on the loop, by a
flush at every 4,096 answers; `aside` leaves it to the log, which does it in a thread; `none` makes no part meanwhile, which
shows what the machine does to any loop. In turns, medians. The limit: beyond `none`, a fifth of the stall inline.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pipelines.store import journalled
from pipelines.store.completions import CompletionsLog
from schemas.completion import Completion, Message, ModelIdentity, Request, prompt_key
from schemas.ids import seeded

IDENTITY = ModelIdentity("model", "revision", "template")
ANSWERS, FULL, AT_ONCE = 3 * 4096, 4096, 12
LIMIT = 0.2


def text_of(number: int, length: int) -> str:
    """Words in no order, which pack about as well as prose."""
    chance = seeded(0, str(number))
    return " ".join(
        chance.choices(("the", "red", "circle", "is", "left", "of", "a", "square", "so", "answer"), k=length // 5)
    )


async def stall(length: int, way: str) -> float:
    """Seconds."""
    journalled.FLUSH_ROWS, journalled.FLUSH_SECONDS = FULL if way == "aside" else 1 << 30, 1e9
    latest = 0.0

    async def tick() -> None:
        nonlocal latest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            latest = max(latest, time.perf_counter() - before)

    request = Request("row", (Message("user", ("question",)),))
    prompt, texts = prompt_key(IDENTITY, request), [text_of(n, length) for n in range(64)]
    with tempfile.TemporaryDirectory() as scratch, CompletionsLog(Path(scratch)).writer(IDENTITY) as log:
        ticker = asyncio.create_task(tick())
        for number in range(0, ANSWERS, AT_ONCE):
            for index in range(number, number + AT_ONCE):
                log.append(request, prompt, [Completion(index, texts[index % 64], "stop", 10, 20)])
            if way == "inline" and (number + AT_ONCE) // FULL > number // FULL:
                log.flush()
            await asyncio.sleep(0)
        ticker.cancel()
    return latest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, nargs="*", default=[600, 17000], help="characters of an answer")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for length in given.texts:
        found: dict[str, list[float]] = {"inline": [], "aside": [], "none": []}
        for _ in range(given.rounds):
            for way, times in found.items():
                times.append(asyncio.run(stall(length, way)))
        inline_s, aside_s, none_s = (statistics.median(times) for times in found.values())
        ratio = max(0.0, aside_s - none_s) / (inline_s - none_s)
        verdict = "ok" if ratio <= LIMIT else "ABOVE"
        sys.stdout.write(
            f"answers of {length:,} characters: inline {inline_s * 1000:.0f} ms, aside {aside_s * 1000:.0f} ms, none "
            f"{none_s * 1000:.0f} ms, ratio {ratio:.3f} (limit {LIMIT}) {verdict}\n"
        )


if __name__ == "__main__":
    main()
