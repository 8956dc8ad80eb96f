"""A build over a filled log of long replies: does it end, in how much memory, and do two at once end with equal tables?

    python benchmarks/large_log.py                       # 20,000 samples x 8 rollouts and 1 trace of 17 KB each
    python benchmarks/large_log.py --samples 2500 --threads 2
    python benchmarks/large_log.py --samples 100000 --text 1000 --images 25000 --threads 2 --no-pair

No model is asked: the log holds every answer, as if they had come in any order. The build distills, verifies, rolls out,
measures difficulty, splits, selects and releases in a process of its own, once with DuckDB given 2 and once 64 processors,
and then two builds run at once in one workspace. Where samples have images, they go into the release.

The limits are 4 GB of memory for a build and the processes that it starts, together, and 3 % for hashing: of parts of the
log, tables, images and the release, whenever they are written or proven. It is a share of the processor time of the build
and its processes, which other work on the machine does not change. When the build is done, the command that sees that
nothing is left to do has 2 s of processor time. Prints a line a step and a run, and writes results/large_log.json.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

RESULTS = Path(__file__).parent / "results" / "large_log.json"
LIMIT_GB = 4.0
HASHING = 0.03
"""The share of a build's processor time that may go into proving that what comes back is what was written."""
NO_OP = 2.0
"""Seconds of processor time in which the command sees that there is nothing to do."""
SIDE = 256
"""Width and height of an image in pixels: JPEG, about 12 KB."""
ROLLOUTS = 8
TEXT = 17_000
PART = 4096

RECIPE = """\
name: NAME
models:
  student: {model: student, engine: openai, revision: r1, base_urls: ["http://127.0.0.1:9/v1"]}
sources:
  - {type: jsonl, name: made, path: SOURCE}
driver: {workers: 1}
steps:
  - distill: {model: student, sees: nothing, prompt: "Think about this. {{ question }}", n: 1}
  - verify
  - drop: {of: trace, if: {wrong: NOT correct}}
  - rollout: {model: student, sees: nothing, n: 8}
  - verify: {as: scored, of: rollout}
  - difficulty
  - split: {sft: 0.3, rl: 0.6, holdout: 0.1}
  - select: {budget: 0.5}
  - release: {trainer: null, sft: {of: trace}, rl: {of: sample}, holdout: {of: sample}}
"""


def make(
    folder: Path, samples: int, text: int = TEXT, names: tuple[str, ...] = ("one", "two"), images: int = 0
) -> None:
    """Write a source, recipes over it and a log that answers all that they ask, in no order.

    Its rows show so many images, in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_images(folder / "images", images)
    with (folder / "rows.jsonl").open("w") as file:
        for i in range(samples):
            row = {"question": f"What is {i} plus {i % 97}?", "answer": str(i + i % 97), "kind": "number"}
            row |= {"image": f"images/{i % images}.jpg"} if images else {}
            file.write(json.dumps(row) + "\n")
    for name in names:
        recipe = RECIPE.replace("NAME", name).replace("SOURCE", str(folder / "rows.jsonl"))
        (folder / f"{name}.yaml").write_text(recipe)
    fill_log(folder, names[0], text)


def make_images(folder: Path, number: int) -> None:
    """Clouds of colours, each another."""
    import numpy as np
    from PIL import Image

    folder.mkdir(exist_ok=True)
    chance = np.random.default_rng(0)
    for i in range(number):
        small = Image.fromarray(chance.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=85)


def open_build(folder: Path, name: str, *overrides: str) -> Any:
    """The job of a recipe of the folder, which asks nobody."""
    from pipelines.job import compile_recipe, open_job

    return open_job(compile_recipe(str(folder / f"{name}.yaml"), overrides), folder / "out", replay=True)


def fill_log(folder: Path, name: str, text: int) -> None:
    """Parts of the log with a reply of about `text` bytes to all that the recipe asks; three of four are right."""
    from pipelines.store.completions import CompletionsLog
    from schemas.completion import COMPLETION

    job = open_build(folder, name)
    build = job.build
    build.workspace.prepare(name)
    for step in ("ingest", "selftest"):
        job.runner.run(job.compiled.pipeline.step(step))
    build.close()
    wanted = pl.concat([wanted_keys(job, step, folder) for step in ("distill", "rollout")])
    keys = wanted.sample(fraction=1.0, shuffle=True, seed=0)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    log = CompletionsLog(folder / "out" / "log" / "completions")
    for piece in keys.iter_slices(PART):
        replies = [reply(gold, key, text) for gold, key in piece.select("gold", "key").iter_rows()]
        facts = {"model": "student", "revision": "r1", "sampling": "{}", "finish_reason": "stop", "prompt_tokens": 30,
                 "completion_tokens": text // 4, "created_at": now}  # fmt: skip
        table = piece.drop("gold").with_columns(pl.Series("text", replies), **{k: pl.lit(v) for k, v in facts.items()})
        nulls = {c: pl.lit(None, dtype) for c, dtype in COMPLETION.items() if c not in table.columns}
        table = table.with_columns(**nulls).select(list(COMPLETION)).cast(dict(COMPLETION))
        log.files.write(table)


def wanted_keys(job: Any, step: str, folder: Path) -> pl.DataFrame:
    """`key, prompt_key, index, gold` of all that a step asks, each key once."""
    from pipelines.run.context import StepContext

    runner, asks = job.runner, job.compiled.pipeline.step(step)
    buckets = list(range(runner.record.buckets))
    context = StepContext(job.build, asks, runner.tables, runner.record)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        asking = runner.asking(asks, context, buckets, Path(room))
        asking.missing()
        keys = pl.concat([asking.asked(bucket) for bucket in buckets]).unique("key", maintain_order=True)
    golds = pl.concat([runner.tables.scan("ingest", "rows", bucket).collect() for bucket in buckets])
    golds = golds.select("id", gold=pl.col("answer").struct.field("raw"))
    return keys.join(golds, on="id", maintain_order="left").select("key", "prompt_key", "index", "gold")


@cache
def sentences() -> list[str]:
    return [" ".join(f"{Random(i * 99 + j).randrange(1 << 20):x}" for j in range(160)) for i in range(2000)]


def reply(gold: str, key: str, text: int) -> str:
    """A reply whose words and answer follow from its key."""
    chance = Random(key)
    thought = " ".join(chance.choices(sentences(), k=text // len(sentences()[0]) + 1))[:text]
    answer = gold if chance.random() < 0.75 else "-1"
    return f"<think>\n{thought}\n</think>\n<answer>{answer}</answer>"


def run(folder: Path, name: str, threads: int, *overrides: str) -> None:
    """Build in this process and print a JSON line a step: seconds and the peak of this process so far."""
    from pipelines.store import memory

    memory.cores = lambda: threads

    job, before = open_build(folder, name, *overrides), sum(os.times()[:4])
    hashed = time_hashing()

    def show_step(runner: Any, step: Any) -> None:
        started = time.monotonic()
        record = runner.run(step)
        line = {"step": step.name, "seconds": round(time.monotonic() - started, 1), "peak_gb": round(own_peak(), 2)}
        line["hashing"] = round(sum(hashed), 2)
        hashed.clear()
        sys.stdout.write(json.dumps({**line, "kept": record["kept"]}) + "\n")
        sys.stdout.flush()

    job.run(show_step)
    sys.stdout.write(json.dumps({"busy": round(sum(os.times()[:4]) - before, 1)}) + "\n")


def time_hashing() -> list[float]:
    """The seconds of processor time that each hash of bytes, files and parts takes from now on, in whatever thread.

    A part is proven by what its end says, too: reading that is counted as well.
    """
    import pyarrow.parquet  # noqa: F401, which a build loads with or without hashes

    from pipelines.store import part_file, part_folder
    from schemas import digests

    found: list[float] = []
    inside = threading.local()

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            if getattr(inside, "counted", False):  # by whoever called
                return work(*args)
            inside.counted, started = True, time.thread_time()
            try:
                return work(*args)
            finally:
                inside.counted = False
                found.append(time.thread_time() - started)

        return run

    every = [value for name, value in vars(digests).items() if name.endswith("_hash")] + [part_file.seal]
    for module in [module for name, module in sys.modules.items() if name.startswith("pipelines.")]:
        for name, value in list(vars(module).items()):
            if any(value is one for one in every):
                setattr(module, name, timed(value))
    part_folder.PartFolder.holds = timed(part_folder.PartFolder.holds)  # type: ignore[method-assign]
    return found


def no_op(folder: Path, name: str) -> float:
    """Seconds of processor time of the command on a build that is done."""
    command = [str(Path(sys.executable).with_name("curate")), "build", str(folder / f"{name}.yaml"), "--replay"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--workspace", str(folder / "out")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    if done.returncode or "distill" in done.stderr:
        sys.exit(f"the second build failed: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 2)


def own_peak() -> float:
    """Peak resident memory of this process, in GiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 2**20


class Watch(threading.Thread):
    """The peak of the resident memory of a process and all its descendants together, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_gb = pid, 0.0

    def run(self) -> None:
        import psutil

        while True:
            try:
                top = psutil.Process(self.pid)
                family = [top, *top.children(recursive=True)]
                total = sum(p.memory_info().rss for p in family if p.is_running())
            except psutil.Error:
                if not psutil.pid_exists(self.pid):
                    return
                continue
            self.peak_gb = max(self.peak_gb, total / 2**30)
            time.sleep(0.1)


def start(folder: Path, name: str, threads: int, *overrides: str) -> tuple[subprocess.Popen[str], Watch]:
    command = [sys.executable, __file__, "--run", str(folder), name, "--threads", str(threads)]
    command += [part for override in overrides for part in ("--set", override)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    watch = Watch(process.pid)
    watch.start()
    return process, watch


def finish(process: subprocess.Popen[str], watch: Watch) -> dict[str, Any]:
    """What a run printed; `code` is how it ended, `peak_gb` of it and the processes that it started."""
    out, _ = process.communicate()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    steps = [line for line in lines if "step" in line]
    return {
        "code": process.returncode,
        "seconds": round(sum(s["seconds"] for s in steps), 1),
        "peak_gb": round(max(watch.peak_gb, *(s["peak_gb"] for s in steps), 0), 2),
        "busy": sum(line["busy"] for line in lines if "busy" in line),
        "hashing": round(sum(s["hashing"] for s in steps), 2),
        "steps": steps,
    }


def tables(folder: Path, name: str) -> dict[str, str]:
    """A hash of the rows of every table of a build, and of every data file of its release."""
    build = folder / "out" / "builds" / name
    found = {str(path.relative_to(build)): rows_hash(path) for path in sorted(build.glob("*/*.parquet"))}
    release = folder / "out" / "releases" / name / "v1"
    for path in sorted(release.rglob("*.parquet")):
        found[f"v1/{path.relative_to(release)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def rows_hash(path: Path) -> str:
    from pipelines.store.row_groups import batches

    found = hashlib.sha256()
    for piece in batches(path, 1024):
        found.update(piece.write_json().encode())
    return found.hexdigest()


def clean(folder: Path) -> None:
    """Leave the log and nothing else."""
    for name in ("builds", "releases"):
        shutil.rmtree(folder / "out" / name, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--text", type=int, default=TEXT)
    parser.add_argument("--images", type=int, default=0, help="how many images the samples show")
    parser.add_argument("--threads", type=int, nargs="*", default=[2, 64])
    parser.add_argument("--folder", type=Path, default=None, help="where the log lies or is made; kept where given")
    parser.add_argument("--set", action="append", default=[], help="of the recipe, such as driver.memory=2GB")
    parser.add_argument("--no-pair", action="store_true", help="no two builds at once")
    parser.add_argument("--run", nargs=2, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(Path(options.run[0]), options.run[1], options.threads[0], *options.set)
        return
    folder = options.folder or Path(tempfile.mkdtemp())
    try:
        if not (folder / "out" / "log").is_dir():
            make(folder, options.samples, options.text, images=options.images)
        measure(folder, options)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def measure(folder: Path, options: argparse.Namespace) -> None:
    found: dict[str, Any] = {"samples": options.samples, "rollouts": ROLLOUTS, "text": options.text}
    found |= {"images": options.images, "runs": {}}
    seen = []
    for threads in options.threads:
        clean(folder)
        done = finish(*start(folder, "one", threads, *options.set))
        found["runs"][f"{threads} threads"] = done
        show(f"{threads} threads", done)
        seen.append(tables(folder, "one"))
    if not options.no_pair:
        clean(folder)
        both = [start(folder, name, options.threads[-1], *options.set) for name in ("one", "two")]
        for (process, watch), name in zip(both, ("one", "two"), strict=True):
            done = finish(process, watch)
            found["runs"][f"two at once, {name}"] = done
            show(f"two at once, {name}", done)
            seen.append(tables(folder, name))
    found["equal"] = all(one == seen[0] for one in seen)
    found["ended"] = all(done["code"] == 0 for done in found["runs"].values())
    found["peak_gb"] = max(done["peak_gb"] for done in found["runs"].values())
    found["hashing_share"] = round(max(d["hashing"] / max(d["busy"], 0.1) for d in found["runs"].values()), 4)
    found["no_op"] = min(no_op(folder, "one") for _ in range(3))
    sys.stdout.write(f"hashing takes {found['hashing_share']:.2%} of the processor time of a build at most\n")
    sys.stdout.write(f"a build with nothing to do takes {found['no_op']} s of processor time\n")
    sys.stdout.write(f"all ended: {found['ended']}, equal tables: {found['equal']}, peak {found['peak_gb']} GB\n")
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    cheap = found["hashing_share"] <= HASHING and found["no_op"] <= NO_OP
    if not (found["ended"] and found["equal"] and found["peak_gb"] <= LIMIT_GB and cheap):
        sys.exit(
            f"beyond {LIMIT_GB} GB, {HASHING:.0%} for hashing or {NO_OP} s for nothing, or not ended, or not equal"
        )


def show(name: str, done: dict[str, Any]) -> None:
    for step in done["steps"]:
        sys.stdout.write(f"  {step['step']:<12} {step['seconds']:>7} s   {step['peak_gb']:>5} GB   {step['kept']:>8}\n")
    sys.stdout.write(
        f"{name}: exit {done['code']}, {done['seconds']} s, {done['busy']:.1f} s of processor time, "
        f"{done['hashing']} s of it hashing, {done['peak_gb']} GB\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
