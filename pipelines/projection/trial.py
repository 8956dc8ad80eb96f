"""A trial that measures: a few hundred real requests through the driver, all steps of their samples, and the disk. The
steps are run once more when all is answered, and once for a single sample, which says what a sample costs them.

Tables and release are in a scratch folder that is gone afterwards; what was answered is in the log, so nothing is wasted.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.explain.preview import Scratch
from pipelines.job import Job
from pipelines.plan import make_plan
from pipelines.projection.hours import Measured, Spent
from pipelines.projection.watched import Watch
from pipelines.store.step_tables import REQUESTED
from pipelines.store.table_files import scan_table
from schemas.errors import ConfigError

OpenJob = Callable[[int | None], Job]
"""The job of a recipe for at most so many samples, or for all of them."""

PROBE_BYTES, PROBE_S = 64 << 20, 2.0
"""How much is written to see how fast the disk is, at most, and for how long."""


@dataclass(frozen=True)
class Size:
    """How many samples the sources give (None: they do not say), and how many answers each wants at most."""

    samples: int | None
    answers_each: float


def calibrate(open_job: OpenJob, requests: int, check: Callable[[Job], None]) -> tuple[Measured, Size]:
    """Ask about as many requests as wanted, at least those of two samples, and measure.

    Raises ConfigError where the recipe asks no model, or the log holds all that so many samples ask; StepError as a build.
    """
    whole = open_job(None)
    with tempfile.TemporaryDirectory(prefix="curate-calibrate-") as folder:
        size = _size(_apart(whole, Path(folder) / "plan"))
        count = max(2, round(requests / size.answers_each))
        watch, root = Watch(), whole.build.workspace.root
        job = _apart(open_job(count), Path(folder) / "trial", watch=watch, reopen=None)
        check(job)
        before = _bytes_of(_logs(job))
        _run(job)
        wanted = _wanted(job)
        log_bytes = _bytes_of(_logs(job)) - before
        samples = int(job.runner.record.steps()[0]["kept"])
        table_bytes = _bytes_of([Path(folder) / "trial"])
        # All is answered now and loaded, so that what is left to measure is what the steps compute.
        spent = _run(_apart(open_job(count), Path(folder) / "again", reopen=None))
        least = _apart(open_job(1), Path(folder) / "least", reopen=None)
        few = _run(least)
        measured = Measured(
            samples=samples,
            asked=watch.asked,
            wanted=wanted,
            pure=Spent(samples, spent),
            least=Spent(int(least.runner.record.steps()[0]["kept"]), few),
            log_bytes=log_bytes,
            table_bytes=table_bytes,
            disk_rate=disk_rate(root),
            processes=whole.build.processes,
            askers=whole.build.recipe.driver.processes,
            priced={name: _price(job, name) for name in job.build.recipe.models},
        )
    if not measured.answers:
        raise ConfigError(
            f"All that {samples:,} samples ask is in the log of {root}, so there is nothing to measure. Ask about more: "
            f"--calibrate {4 * requests}."
        )
    return measured, size


def _apart(job: Job, folder: Path, **more: object) -> Job:
    """The job with tables and releases in a folder of their own."""
    return replace(job, build=replace(job.build, workspace=Scratch(job.build.workspace.root, folder), **more))  # type: ignore[arg-type]


def _size(job: Job) -> Size:
    """What a build from nothing asks at most."""
    plan = make_plan(job)
    costs = [
        cost
        for step, planned in zip(job.compiled.pipeline.steps, plan, strict=True)
        if step.asks
        for cost in planned.costs
    ]
    if not costs:
        raise ConfigError(
            f"{job.build.recipe.name} asks no model, so there is nothing to calibrate; `curate plan` says what it does."
        )
    samples, known = plan[0].rows, [cost.samples for cost in costs if cost.samples]
    return Size(samples, max(1.0, sum(known) / samples) if samples else 1.0)


def _run(job: Job) -> float:
    """Run all steps; seconds of processor time, with those of the processes that it started."""
    workspace, name, build, before = job.build.workspace, job.build.recipe.name, job.build, os.times()
    workspace.prepare(name)
    with workspace.lock(name):
        try:
            for step in job.compiled.pipeline.steps:
                job.runner.run(step)
        finally:
            build.close()
    return sum(os.times()[:4]) - sum(before[:4])


def _wanted(job: Job) -> dict[tuple[str, str], int]:
    """How many answers each step wanted of each model, whoever had asked for them."""
    found = {}
    for step in job.compiled.pipeline.steps:
        parts = sorted((job.build.folder / step.name).glob(f"{REQUESTED}-*.parquet")) if step.asks else []
        for model in step.models if parts else ():
            keys = [scan_table(part).select("model", "key").collect() for part in parts]
            found[step.name, model] = sum(one.filter(one["model"] == model)["key"].n_unique() for one in keys)
    return found


def _price(job: Job, model: str) -> tuple[float, float] | None:
    """Dollars a million tokens; None for a server whose price the recipe does not say."""
    config = job.build.recipe.models[model]
    known = config.engine != "openai" or config.price_in or config.price_out
    return (config.price_in, config.price_out) if known else None


def _logs(job: Job) -> list[Path]:
    return [job.build.workspace.completions, job.build.workspace.prompts]


def _bytes_of(folders: Iterable[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def disk_rate(folder: Path) -> float:
    """Bytes a second that reach the disk of a folder: a file is written there, flushed and removed."""
    block, written = os.urandom(4 << 20), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".curate-probe-") as file:
        started = time.perf_counter()
        while written < PROBE_BYTES and time.perf_counter() - started < PROBE_S:
            written += file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return written / max(time.perf_counter() - started, 1e-9)
