"""One model asked by several processes: each renders its own buckets, and asks what is missing of them.

One process asks a server some 2,800 times a second and core (`benchmarks/driver_rate.py`). Above that `driver.processes`
of them share a turn: every bucket goes to one, so that what starts alike is asked in a row, and so does every prompt that
several want. Each has a part of the model's `concurrency` and `requests_per_second`, an engine, a breaker and a journal of
its own; which asks what changes no row. What a process could not do is asked by the build's own, whose error is the one
that is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.run.asked import Asked
from pipelines.run.asking import Asking
from pipelines.run.bucket import rows_of
from pipelines.run.context import StepContext
from pipelines.run.receipt import Receipt
from pipelines.run.shards import Task
from pipelines.store.scratch import scratch
from pipelines.store.table_files import read_table
from pipelines.store.workspace import write_table
from schemas.engine import ModelConfig

ENOUGH = 8192
"""Samples below which one process asks: another takes as long to start as it takes to ask a few thousand."""


class Share(NamedTuple):
    """What one process asks in a turn: the buckets that it renders, the files of what each wants, the keys to ask for, and
    its part of the model's limits."""

    model: str
    turn: int
    asked: Mapping[int, Asked]
    wanted: Path
    limits: Mapping[str, Any]


def by_processes(
    context: StepContext, model: str, turn: int, asked: Mapping[int, Asked], missing: Path, total: int
) -> Receipt | None:
    """Ask one model what is `missing` (`id, prompt_key, indexes`) of a turn, of what buckets `asked`; None where one process
    is to do it. Raises what asking raises."""
    build, config = context.build, context.build.recipe.models[model]
    count = min(build.recipe.driver.processes, config.concurrency, len(asked))
    if count < 2 or total < ENOUGH or not config.base_urls or build.reopen is None:
        return None
    receipts, heard = [], Receipt(total=total)

    def more(samples: int) -> None:
        heard.samples += samples
        build.progress(context.name, heard)

    with scratch(build.folder / context.name) as folder:
        work = [(n, (share,)) for n, share in enumerate(shares(model, turn, asked, missing, folder, config, count))]
        task = Task(context.name, context.record.fingerprint(context.step), ask_share)
        pairs = build.askers.map(task, work, lambda number: ask_share(context, number, *work[number][1], more), more)
        for _, receipt in pairs:
            receipts.append(receipt)
    seconds = max(receipt.seconds for receipt in receipts)  # they ran side by side
    return replace(sum(receipts, Receipt()), total=total, seconds=seconds)


def shares(
    model: str,
    turn: int,
    asked: Mapping[int, Asked],
    missing: Path,
    folder: Path,
    config: ModelConfig,
    count: int,
) -> list[Share]:
    """What each of `count` processes asks; files of their keys lie in `folder`. A prompt is asked by the first that
    wants it."""
    left, found, buckets = read_table(missing, ["prompt_key"]), [], sorted(asked)
    for number in range(count):
        own = {bucket: asked[bucket] for bucket in buckets[number::count]}
        keys = pl.concat([one.tables()[1].join(left, on="prompt_key", how="semi") for one in own.values()])
        left = left.join(keys, on="prompt_key", how="anti")
        write_table(keys, wanted := folder / f"wanted-{number}.parquet")
        found.append(Share(model, turn, own, wanted, limits(config, number, count)))
    return found


def limits(config: ModelConfig, number: int, count: int) -> dict[str, Any]:
    """The part of a model's limits that one of `count` processes keeps to: all of them together keep to the model's."""
    rate = config.requests_per_second
    return {
        "concurrency": config.concurrency // count + (number < config.concurrency % count),
        "requests_per_second": None if rate is None else rate / count,
    }


def ask_share(context: StepContext, number: int, share: Share, heard: Callable[[int], Any]) -> Receipt:
    """Ask what the log does not hold of a share; `heard` is called with the number of samples that came."""
    build, step = context.build, context.step
    known = 0

    def report(receipt: Receipt) -> None:
        nonlocal known
        heard(receipt.samples - known)
        known = receipt.samples

    def rows(bucket: int) -> pl.DataFrame:
        return rows_of(context.tables, step, bucket)[0]

    with scratch(build.folder / step.name) as folder:
        buckets: Sequence[int] = sorted(share.asked)
        asking = Asking(build, step, context, rows, list(buckets), folder, report=report)
        return asking.ask_wanted(share.model, share.turn, share.asked, share.wanted, share.limits)
