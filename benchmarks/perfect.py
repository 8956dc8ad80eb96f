"""The makespan of a perfect client: the next request goes to the first free place the moment that it is free, at no cost."""

import heapq
from collections import deque
from collections.abc import Mapping, Sequence

from loopback import Load, Outage


def perfect(contents: Sequence[str], load: Load, servers: int, each: int, outages: Mapping[int, Outage]) -> float:
    """Seconds until the last of `contents` is answered by servers of `each` places; the servers of `outages` are away for a
    while, and what they were at is lost. What is lost or fails comes before what was not asked yet."""
    places = [(0.0, number % servers, number) for number in range(servers * each)]
    times, asked = [load.seconds(content) for content in contents], [0] * len(contents)
    left, lost, end = deque(range(len(contents))), list[tuple[float, int]](), 0.0
    while left or lost:
        now, server, place = heapq.heappop(places)
        dies, returns = outages.get(server, (float("inf"), float("inf")))
        if dies <= now < returns:
            if returns != float("inf"):
                heapq.heappush(places, (returns, server, place))
            continue
        if lost and (lost[0][0] <= now or not left):
            freed, job = heapq.heappop(lost)
            if now < freed:  # the place waits for it, and may be away by then
                heapq.heappush(lost, (freed, job))
                heapq.heappush(places, (freed, server, place))
                continue
        else:
            job = left.popleft()
        fault = load.fault(contents[job], asked[job])
        asked[job] += 1
        takes = 0.0 if fault in ("busy", "error") else times[job] * (0.5 if fault == "cut" else 1.0)
        done = now + takes
        if now < dies < done:
            heapq.heappush(lost, (dies, job))
            if returns != float("inf"):
                heapq.heappush(places, (returns, server, place))
            continue
        if fault is not None:
            heapq.heappush(lost, (done, job))
        else:
            end = max(end, done)
        heapq.heappush(places, (done, server, place))
    return end
