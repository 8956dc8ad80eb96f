"""What a second worker adds to a build of row steps: of processes of this machine, of Dask, of Ray.

    python benchmarks/runners.py [--samples 12000] [--chars 2000] [--rounds 5] [--runners processes dask ray] [--out FILE]

No model is asked: questions come with eight rollouts each, and steps of scope row and sample work on them (verdicts, counts,
SQL, quality, cuts, pairs). Each round builds them with one worker and with two, on every runner in turn, each in a Python of
its own. Dask and Ray are clusters of this machine; a worker of Dask keeps to one core, with the processes that it starts.
Starting a cluster, and its workers' first build of a few rows, which loads what they need, is printed apart, as is the rows'
way in (`ingest`).

For every runner it prints the medians: seconds with one worker and with two, the speed-up (limit: 1.8), and seconds of
processor time: of the workers, of the build's own process (with Dask's scheduler), of the services beside them (Ray's, and
Prefect's server). On a machine that is busy with something else, read what follows from processor time: `workers` is by how
much two of them are faster as long as nothing else takes their cores; `all` has everything else share the same two cores
with them, and is what two cores allow. The hashes of all tables have to be equal over all builds.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from step_scale import family, write_source

LIMIT, BUCKETS = 1.8, 32
RESULT = Path(__file__).parent / "results" / "runners.json"
RECIPE = """\
name: runners
sources:
  - {type: parquet, name: figures, path: ROWS, kind: number,
     select: "SELECT question, answer, hint, tried FROM raw", columns: {hint: str, tried: [{text: str, model: str}]}}
driver: {workers: WORKERS}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - difficulty
  - tally: {as: counted, of: rollout, to: sample, gives: {rights: "count(*) FILTER (correct)"}}
  - sql: {as: sized, of: sample, gives: {letters: "length(question)"}}
  - quality: {of: rollout}
  - trim: {as: short, of: rollout, words: 0.9}
  - pair: {of: given, chosen: "correct", rejected: "correct = false", cap: 1}
"""


def recipe(folder: Path, rows: Path, workers: int) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runners.yaml"
    path.write_text(RECIPE.replace("ROWS", str(rows)).replace("WORKERS", str(workers)))
    return {"name": str(path)}


def spent() -> dict[tuple[str, int], float]:
    """Seconds of processor time so far of each process: this one (`own`), `workers`, and the others below it."""
    found = {}
    for pid in family():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        works = any(word in command for word in ("ray::", "spawn_main", "shard_program")) and "Agent" not in command
        kind = "own" if pid == os.getpid() else "workers" if works else "services"
        found[kind, pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def timed(job: Any, run: Callable[[Any, Any], Any]) -> dict[str, float]:
    """Run a job; seconds of its row steps, and what they took of the processor."""
    took: dict[str, float] = {"wall": 0.0, "own": 0.0, "workers": 0.0, "services": 0.0, "in": 0.0}

    def one(runner: Any, step: Any) -> None:
        before, started = spent(), time.perf_counter()
        run(runner, step)
        seconds, after = time.perf_counter() - started, spent()
        if step.name == "ingest":
            took["in"] += seconds
            return
        took["wall"] += seconds
        for (kind, pid), value in after.items():
            took[kind] += value - before.get((kind, pid), 0.0)

    job.run(one)
    return took


def keep_to(core: int) -> None:
    """Have this process work on one core, with the processes that it starts."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def cluster(runner: str, workers: int) -> Iterator[Any]:
    """A cluster of so many workers, as builds use it."""
    from flows.cluster import connected

    with connected(runner, None, workers) as found:
        assert found is not None
        if runner == "dask":
            from distributed import Client

            with Client(found.task_runner.address) as client:  # type: ignore[attr-defined]
                addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
                assert len(addresses) == workers
                for core, worker in enumerate(addresses):  # a worker is a core, and what it starts stays there
                    client.run(keep_to, core, workers=[worker])
        yield found


def contents(job: Any) -> str:
    """The hashes of all tables of a build."""
    records = job.records()
    return json.dumps([{b: part["contents"] for b, part in record["buckets"].items()} for record in records])


def one_build(folder: str, rows: str, workers: int) -> tuple[dict[str, float], str]:
    """Build on the cluster that runs. A flow: Prefect sends it to workers, so all that it names is imported within."""
    from flows import running
    from flows.job import job_of
    from flows.shards import Submitted

    cluster = running.CLUSTER.get()
    assert cluster is not None
    sharing = partial(Submitted, slots=cluster.slots)
    asked = recipe(Path(folder), Path(rows), workers)
    job = job_of(asked, str(Path(folder) / "workspace"), buckets=BUCKETS, sharing=sharing)
    return timed(job, lambda runner, step: runner.run(step)), contents(job)


def on_cluster(runner: str, workers: int, folder: Path, rows: Path, few: Path) -> tuple[dict[str, float], str]:
    from prefect import flow

    from flows import running

    started = time.perf_counter()
    with cluster(runner, workers) as found:
        here = running.CLUSTER.set(found)
        build = flow(persist_result=False, task_runner=found.task_runner)(one_build)
        build(str(folder / "first"), str(few), workers)
        started = time.perf_counter() - started
        took, hashes = build(str(folder / "whole"), str(rows), workers)
        running.CLUSTER.reset(here)
    return {**took, "start": started}, hashes


def by_processes(workers: int, folder: Path, rows: Path) -> tuple[dict[str, float], str]:
    from flows.job import job_of
    from pipelines.run.shards import Shards

    beginning = 0.0

    def opened(reopen: Callable[..., Any]) -> Shards:
        nonlocal beginning
        began = time.perf_counter()
        found = Shards(partial(reopen, beside=workers), workers)
        if workers > 1:
            for process in [found._start() for _ in range(workers)]:
                assert process is not None
                process.receive()  # it has opened the build
        beginning = time.perf_counter() - began
        return found

    asked = recipe(folder, rows, workers)
    job = job_of(asked, str(folder / "workspace"), buckets=BUCKETS, sharing=opened)
    began = time.perf_counter()
    job.build.workspace.prepare(job.build.recipe.name)
    assert job.build.shards is not None
    took = timed(job, lambda runner, step: runner.run(step))
    return {**took, "start": beginning, "whole": time.perf_counter() - began}, contents(job)


def apart(runner: str, workers: int, root: Path, number: int) -> tuple[dict[str, float], str]:
    """One build in a Python of its own: what a cluster leaves in a process is in no other's way."""
    command = [sys.executable, __file__, "--one", runner, str(workers), str(root), str(number)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    took, hashes = json.loads(done.stdout)
    return took, hashes


def alone(runner: str, workers: int, root: Path, number: int) -> None:
    """What `apart` starts. Whatever else writes to its output, a library or a cluster, ends the benchmark."""
    rows, few = (root / name / "rows.parquet" for name in ("rows", "few"))
    folder = root / f"{number}-{runner}-{workers}"
    own = runner == "processes"
    found = by_processes(workers, folder, rows) if own else on_cluster(runner, workers, folder, rows, few)
    sys.stdout.write(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=12000)
    parser.add_argument("--chars", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runners", nargs="+", default=["processes", "dask", "ray"])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.update(PREFECT_LOGGING_LEVEL="CRITICAL", PREFECT_SERVER_ANALYTICS_ENABLED="false")
    os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"
    os.environ |= {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}  # it takes a minute to start where much else runs
    logging.disable(logging.WARNING)
    if given.one:
        alone(given.one[0], int(given.one[1]), Path(given.one[2]), int(given.one[3]))
        return
    found: dict[str, dict[int, list[dict[str, float]]]] = {r: {1: [], 2: []} for r in given.runners}
    hashes: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for name, samples in {"rows": given.samples, "few": 64}.items():
            (root / name).mkdir()
            write_source(root / name, samples, given.chars)
        for number in range(given.rounds):
            for runner in given.runners:
                for workers in (1, 2):
                    took, made = apart(runner, workers, root, number)
                    shutil.rmtree(root / f"{number}-{runner}-{workers}")
                    found[runner][workers].append(took)
                    hashes.add(made)
                    sys.stderr.write(f"{runner} {workers}: {json.dumps({k: round(v, 2) for k, v in took.items()})}\n")
    report(found, given)
    same = len(hashes) == 1
    sys.stdout.write(f"tables: {'equal over all builds' if same else f'{len(hashes)} DIFFERENT ones'}\n")
    if not same:
        raise SystemExit(1)


def report(found: dict[str, dict[int, list[dict[str, float]]]], given: argparse.Namespace) -> None:
    lines, result = [], {}
    for runner, rounds in found.items():
        one, two = ({key: statistics.median(t[key] for t in took) for key in took[0]} for took in rounds.values())
        speed = statistics.median(a["wall"] / b["wall"] for a, b in zip(*rounds.values(), strict=True))
        by_workers, by_all = (statistics.median(ratios) for ratios in zip(*map(bounds, *rounds.values()), strict=True))
        result[runner] = {"one": one, "two": two, "speed_up": speed, "workers": by_workers, "all": by_all}
        mark = "ok" if speed >= LIMIT else "BELOW"
        lines.append(
            f"{runner:10} {one['wall']:6.1f} s with one, {two['wall']:6.1f} s with two: {speed:.2f} (limit {LIMIT}) {mark}\n"
            f"           processor time with one: {times(one)}\n"
            f"           processor time with two: {times(two)}\n"
            f"           from processor time: workers {by_workers:.2f}, all {by_all:.2f}\n"
            f"           apart: start {two['start']:.1f} s, ingest {two['in']:.1f} s"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps({"samples": given.samples, "chars": given.chars, **result}, indent=1) + "\n")


def times(took: dict[str, float]) -> str:
    return f"workers {took['workers']:.1f} s, own process {took['own']:.1f} s, services {took['services']:.1f} s"


def bounds(one: dict[str, float], two: dict[str, float]) -> tuple[float, float]:
    """By how much two workers are faster than one, by processor time: of workers alone, and of all that two cores do.

    One worker and the build's own process wait for each other, so theirs is the sum; with two, all of it is shared evenly.
    """
    single, several = one["workers"] or one["own"], two["workers"]
    return single / (several / 2), (one["workers"] + one["own"]) / ((several + two["own"] + two["services"]) / 2)


if __name__ == "__main__":
    main()
