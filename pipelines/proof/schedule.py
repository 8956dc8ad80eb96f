"""The runs of a plan, one by one or by several processes, each kept as soon as it is done.

A process trains on one thread where there are several, so that what comes out does not depend on how many there are.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generators.training.choose import open_student
from pipelines.proof.arms import ARMS
from pipelines.proof.config import ProofConfig
from pipelines.proof.material import Material
from pipelines.proof.plan import Plan
from pipelines.proof.random_traces import read_pool
from pipelines.proof.run import Runner
from pipelines.proof.state import Run, State
from pipelines.store.release_seal import read_manifest

Report = Callable[[Run, int, int], None]
"""Called with a finished run, how many are done and how many there are."""


def run_all(
    plan: Plan, release: Path, folder: Path, processes: int, report: Report = lambda run, done, of: None
) -> None:
    """Run what has no line yet, in the order of the plan."""
    state = State(folder)
    with state.held():
        read_pool(folder, plan.facts["random"])  # a process that finds it damaged could not say so
        done = state.runs()
        todo = [run for run in plan.runs() if run not in done]
        of = len(plan.runs())
        for number, run in enumerate(_runs(plan, release, folder, todo, processes), start=of - len(todo) + 1):
            state.add(run)
            report(run, number, of)


def _runs(plan: Plan, release: Path, folder: Path, todo: Sequence[tuple[str, int]], processes: int) -> Iterator[Run]:
    """The runs as they finish. Those that go on from the end of others are begun after all of these."""
    if processes == 1 or len(todo) < 2:
        if todo:
            with one_thread():
                runner = open_runner(plan, release, folder)
                yield from (runner.run(*run) for run in todo)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _begin, (dict(plan.facts), str(release), str(folder))) as pool:
        for later in (False, True):
            wave = [pool.submit(_run, *run) for run in todo if ARMS[run[0]].goes_on == later]
            for finished in as_completed(wave):
                yield finished.result()


def open_runner(plan: Plan, release: Path, folder: Path) -> Runner:
    """The student and the rows of a plan, ready to run."""
    config = ProofConfig.model_validate(plan.facts["config"])
    manifest = read_manifest(release, "statistics", "configs", "recipe")
    material = Material(release, manifest, config, read_pool(folder, plan.facts["random"]))
    return Runner(plan, material, open_student(config.student), folder)


_RUNNER: list[Runner] = []


def _begin(facts: dict[str, Any], release: str, folder: str) -> None:
    import torch

    torch.set_num_threads(1)
    _RUNNER[:] = [open_runner(Plan(facts), Path(release), Path(folder))]


def _run(name: str, seed: int) -> Run:
    return _RUNNER[0].run(name, seed)


@contextmanager
def one_thread() -> Iterator[None]:
    """Train on one thread, and leave torch as it was."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
