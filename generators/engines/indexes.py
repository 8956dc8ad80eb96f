"""Which samples of a request go into one call of a server or library that only takes a count."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace

from schemas.completion import Completion, Sampling


def seeded_runs(indexes: Sequence[int], sampling: Sampling) -> list[tuple[list[int], int | None]]:
    """Part `indexes` into calls, each with the seed to send: vLLM draws sample `i` of a call with `seed + i`.

    Without a seed one call serves all. With one, a call serves neighbours only, so that index 9 is the same sample
    whether it is asked for alone or as the tenth of ten. Greedy decoding needs one answer for all (see `for_all`).
    """
    ordered = sorted(indexes)
    if not ordered:
        return []
    if sampling.temperature == 0:
        return [(ordered[:1], None if sampling.seed is None else sampling.seed + ordered[0])]
    if sampling.seed is None:
        return [(ordered, None)]
    runs: list[list[int]] = [[ordered[0]]]
    for index in ordered[1:]:
        if index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [(run, sampling.seed + run[0]) for run in runs]


def for_all(completions: list[Completion], indexes: Sequence[int], sampling: Sampling) -> list[Completion]:
    """Greedy decoding gives every sample the same text, so one answer stands for all wanted indexes."""
    if sampling.temperature > 0 or not completions:
        return completions
    return [replace(completions[0], index=index) for index in indexes]


async def answered(runs: Iterable[Awaitable[list[Completion]]]) -> list[Completion]:
    """What the runs of a request came to. A run that fails loses nothing of the others: what it was to answer is left
    out, and asked for again. Raises the first run's error where none answered."""
    runs = list(runs)
    if len(runs) == 1:  # the usual case, which needs no task of its own
        return await runs[0]
    found = await asyncio.gather(*runs, return_exceptions=True)
    done = [c for part in found if not isinstance(part, BaseException) for c in part]
    failed = [error for error in found if isinstance(error, BaseException)]
    interrupt = next((error for error in failed if not isinstance(error, Exception)), None)
    if interrupt is not None:
        raise interrupt
    if failed and not done:
        raise failed[0]
    return done
