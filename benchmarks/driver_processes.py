"""What a second process that asks one model adds (`driver.processes`), in a build of one step that asks.

    python benchmarks/driver_processes.py [--requests 30000] [--processes 1 2] [--rounds 3] [--out FILE]

Two servers on loopback, each in a process of its own, answer at once; the step has a question a request, and rows, keys,
journal and parts are those of any build. On a machine of few cores the servers take what the askers would: read the
processor time. For each number of processes it prints the medians of requests a second of wall-clock and, in milliseconds of
processor time a request, what the build's own process does (keys, claims, answers and tables; with one process it asks, too)
and what the others do; the two seconds that one takes to start count there. The latter divided by their number, with the
former, bounds the rate where there are cores for all. The rows have to be equal.
"""

import argparse
import json
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loopback import fleet

from pipelines.job import compile_recipe, open_job
from pipelines.run import asking_shares

RESULT = Path(__file__).parent / "results" / "driver_processes.json"
RECIPE = """\
name: asked
models:
  m: {{model: m, engine: openai, base_urls: [{urls}], concurrency: 32}}
sources:
  - {{type: jsonl, name: rows, path: {rows}, kind: number}}
driver: {{workers: 1, processes: {processes}}}
steps:
  - rollout: {{model: m, n: 1, sampling: {{temperature: 1.0, max_tokens: 64}}, tags: plain}}
"""


def build(folder: Path, rows: Path, urls: list[str], processes: int) -> tuple[dict[str, float], list[Any]]:
    folder.mkdir()
    path = folder / "asked.yaml"
    path.write_text(RECIPE.format(urls=", ".join(urls), rows=rows, processes=processes))
    job, found = open_job(compile_recipe(str(path)), folder / "workspace", buckets=8), dict[str, float]()
    below = resource.getrusage(resource.RUSAGE_CHILDREN)

    def run(runner: Any, step: Any) -> None:
        wall, own = time.perf_counter(), time.process_time()
        runner.run(step)
        if step.name == "rollout":
            found.update(wall=time.perf_counter() - wall, own=time.process_time() - own)

    job.run(run)  # ends the processes that it started
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["others"] = ended.ru_utime + ended.ru_stime - below.ru_utime - below.ru_stime
    return found, job.rows("rollout", ["text"]).drop("made_by").rows()


def write(path: Path, number: int) -> Path:
    asked = ({"question": f"What is {n} + {n}, and why?", "answer": str(2 * n)} for n in range(number))
    path.write_text("".join(json.dumps(row) + "\n" for row in asked))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["OPENAI_API_KEY"] = "x"
    asking_shares.ENOUGH = 1
    found: dict[int, list[dict[str, float]]] = {count: [] for count in given.processes}
    expected: list[Any] | None = None
    with tempfile.TemporaryDirectory() as scratch, fleet() as ((first,), _), fleet() as ((second,), _):
        rows = write(Path(scratch) / "rows.jsonl", given.requests)
        build(
            Path(scratch) / "first", write(Path(scratch) / "few.jsonl", 64), [first, second], 1
        )  # loads what it needs
        for number in range(given.rounds):
            for count in given.processes:
                took, made = build(Path(scratch) / f"{number}-{count}", rows, [first, second], count)
                assert expected in (None, made), "the rows are other ones"
                expected = made
                found[count].append(took)
    result = {}
    for count, rounds in found.items():
        took = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        own, others = (1000 * took[key] / given.requests for key in ("own", "others"))
        bound = 1000 / (own + others / count)
        result[count] = {**took, "bound": bound}
        sys.stdout.write(
            f"{count} processes: {given.requests / took['wall']:,.0f} requests/s; processor time a request: own process "
            f"{own:.3f} ms, those that ask {others:.3f} ms; with cores for all at most {bound:,.0f} requests/s\n"
        )
    sys.stdout.write("rows: equal\n")
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps({"requests": given.requests, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
