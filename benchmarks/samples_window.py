"""How busy a window of sequences keeps an engine when requests ask for several samples: a simulation.

    python benchmarks/samples_window.py [--places 64] [--sequences 4096]

A request is in flight until its longest sample is done, and counts with all of its samples. Lengths are log-normal. Printed
is the makespan of an engine that has everything from the start (bare vLLM's `generate`) over that of one behind a window of
so many sequences for each of its places. `generators.engines.vllm.engine.WINDOW` is 4.
"""

import argparse
import heapq
import sys
from collections import deque
from collections.abc import Sequence
from random import Random

WINDOWS = (1.25, 2.0, 3.0, 4.0)


def makespan(window: float, places: int, requests: Sequence[Sequence[float]]) -> float:
    """Time until the last sample is done. The engine takes samples in their order, as many at once as it has places."""
    now, flight, sent = 0.0, 0, 0
    left = [len(samples) for samples in requests]
    waiting: deque[tuple[int, float]] = deque()
    running: list[tuple[float, int]] = []
    while sent < len(requests) or waiting or running:
        while sent < len(requests) and (not flight or flight + left[sent] <= window):
            waiting.extend((sent, length) for length in requests[sent])
            flight += left[sent]
            sent += 1
        while waiting and len(running) < places:
            request, length = waiting.popleft()
            heapq.heappush(running, (now + length, request))
        now, request = heapq.heappop(running)
        left[request] -= 1
        flight -= 0 if left[request] else len(requests[request])
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=64)
    parser.add_argument("--sequences", type=int, default=4096)
    given = parser.parse_args()
    sys.stdout.write("samples  sigma " + "".join(f"{window:>8g}x" for window in WINDOWS) + "\n")
    for samples in (1, 4, 8, 16):
        for sigma in (0.3, 0.7, 1.0):
            chance = Random(1)
            requests = [
                [chance.lognormvariate(0, sigma) for _ in range(samples)] for _ in range(given.sequences // samples)
            ]
            best = makespan(float("inf"), given.places, requests)
            shares = (best / makespan(window * given.places, given.places, requests) for window in WINDOWS)
            sys.stdout.write(f"{samples:>7} {sigma:>6g} " + "".join(f"{share:>9.3f}" for share in shares) + "\n")


if __name__ == "__main__":
    main()
