"""Writing a release, its card and its report: how long together, how much memory, how large the page is.

    python -m benchmarks.report_size                                   # 2,000, 20,000 and 200,000 rows
    python -m benchmarks.report_size --rows 200000 --browser           # and how fast the page answers in Chromium
    python -m benchmarks.report_size --rows 20000 --keep FOLDER        # leaves the workspace and the page in FOLDER

The limit is 5 minutes and 2 GB on two cores for 200,000 rows with images by reference. A recipe of steps is built up to its
selection first, from made-up rows: an image for every ten, and with each a trace and eight rollouts in texts that compress
badly. Then one process, held to two cores, writes the release, renders its card and writes its
report of at most 10,000 samples: its seconds are printed for each of the three, its peak of resident memory for all. With
`--browser` (needs `playwright` and a Chromium, CHROMIUM or on the PATH) the page is opened, and the time is printed until it
can be used and until a click on a filter has its answer. Prints a line for each number of rows and writes
benchmarks/results/report_size.json.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.job import Job, compile_recipe, open_job
from pipelines.release.card import publish_card
from pipelines.report.origin import find_origin
from pipelines.report.write import write_report

RESULTS = Path(__file__).parent / "results" / "report_size.json"
LIMIT_S, LIMIT_GB, CORES = 300, 2.0, 2
ROLLOUTS = 8
RECIPE = """\
name: large
description: A made-up release, to measure the report.
driver: {workers: 1}
sources:
  - type: jsonl
    name: charts
    path: SOURCE/charts.jsonl
    license: MIT
    kind: number
    columns: &given {caption: str, thoughts: [{text: str, model: str}], tried: [{text: str, model: str}]}
  - {type: jsonl, name: maps, path: SOURCE/maps.jsonl, kind: number, columns: *given}
steps:
  - unfold: {as: thought, column: thoughts, makes: trace}
  - verify
  - drop: {of: trace, if: {wrong: NOT correct}}
  - unfold: {as: attempt, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - difficulty
  - sql: {as: text_only, of: sample, gives: {k_text: "greatest(k - 2, 0)", n_text: n}}
  - dedup: {minhash: null, image_hash: null}
  - split: {sft: 0.4, rl: 0.5, holdout: 0.1, near_questions: null, same_images: null}
  - select: {budget: 0.8}
  - release: {images: IMAGES, trainer: null, sft: {of: trace}, rl: {of: sample}, holdout: {of: sample}}
"""
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>bold</b> \u2028 {{7*7}}'
"""What a model may say: one sample in a hundred says it in its question, caption, trace and rollouts."""


def make_workspace(root: Path, samples: int, images: int, how: str = "reference") -> Job:
    """A finished build of `samples` rows and its release, in the workspace `root/out`."""
    make_source(root, samples, images)
    job = open_large(root, how)
    job.run()
    return job


def open_large(root: Path, how: str = "reference") -> Job:
    recipe = root / "large.yaml"
    recipe.write_text(RECIPE.replace("SOURCE", str(root)).replace("IMAGES", how))
    return open_job(compile_recipe(str(recipe)), root / "out")


def make_source(root: Path, samples: int, images: int) -> None:
    """The files of the two sources, and their images: noise, which compresses badly."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(images):
        pixels = rng.integers(0, 255, (28, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((224, 224), Image.Resampling.NEAREST).save(root / "images" / f"{number}.png")
    with (root / "charts.jsonl").open("w") as charts, (root / "maps.jsonl").open("w") as maps:
        for number, row in enumerate(rows(root, samples, images)):
            (charts if number % 3 == 0 else maps).write(json.dumps(row) + "\n")


def rows(root: Path, samples: int, images: int) -> Iterator[dict[str, Any]]:
    """Rows whose gold is 7; the n-th of 25 repeats the one before it, and three of ten traces are wrong."""
    for number in range(samples):
        of = number - 1 if number % 25 == 24 else number
        hostile = of % 100 == 7
        skill = int(_hash(f"skill-{of}"), 16) % (ROLLOUTS + 1)
        thought = HOSTILE if hostile else _words(f"thought-{number}", 20)
        answer = 8 if number % 10 < 3 else 7
        question = f"{HOSTILE} {of}" if hostile else f"Which bar is number {of} in height?"
        attempts = [
            f"{HOSTILE if hostile else _words(f'{number}-{place}', 12)}\n<answer>\\boxed{{{said}}}</answer>"
            for place, said in enumerate([7] * skill + [8] * (ROLLOUTS - skill))
        ]
        yield {
            "question": question.upper() if of != number and not hostile else question,
            "answer": "7",
            "image": str(root / "images" / f"{of % images}.png"),
            "caption": HOSTILE if hostile else "A bar chart of nine bars. " * 8,
            "thoughts": [{"text": f"<think>{thought}</think><answer>\\boxed{{{answer}}}</answer>", "model": "teacher"}],
            "tried": [{"text": text, "model": "vlm"} for text in attempts],
        }


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=10).hexdigest()


def _words(key: str, number: int) -> str:
    """A text that compresses badly: `number` times 20 digits of a hash and a few words."""
    return ", ".join(f"{_hash(f'{key}-{place}')} bars from the left" for place in range(number))


def measure_writing(root: Path) -> dict[str, Any]:
    """Write, card and report of the build in `root`. Run in a process of its own."""
    marks = [time.perf_counter()]
    open_large(root).run()
    marks.append(time.perf_counter())
    origin = find_origin("large", root / "out")
    publish_card(origin.release, root / "cards")
    marks.append(time.perf_counter())
    told = write_report(origin, root / "report.html")
    marks.append(time.perf_counter())
    peak = _peak_gb()
    seconds = {f"{part}_s": round(marks[i + 1] - marks[i], 2) for i, part in enumerate(("write", "card", "report"))}
    return {
        "rows": told["samples"],
        "shown": told["shown"],
        "rows_written": sum(file["rows"] for file in origin.manifest["files"]),
        **seconds,
        "seconds": round(marks[-1] - marks[0], 1),
        "peak_gb": round(peak, 2),
        "page_mb": round((root / "report.html").stat().st_size / 1e6, 1),
        "of_5_minutes": round((marks[-1] - marks[0]) / LIMIT_S, 3),
        "of_2_gb": round(peak / LIMIT_GB, 3),
    }


def _peak_gb() -> float:
    """Of this program alone; the ru_maxrss of a process starts at what its parent had when it was forked."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20  # type: ignore[index]


def measure_page(page: Path) -> dict[str, float]:
    """Seconds until the page can be used, and until a click on each of two filters is answered."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("body[data-ready]", timeout=120_000)
        told = {"opens_s": round(time.perf_counter() - started, 2)}
        for name, box in (("outcome", "dropped"), ("band", "medium")):
            before = tab.get_attribute("#list", "data-ready")
            started = time.perf_counter()
            tab.check(f'input[data-facet="{name}"][data-value="{box}"]')
            tab.wait_for_function("before => document.querySelector('#list').dataset.ready !== before", arg=before)
            told[f"{name}_click_s"] = round(time.perf_counter() - started, 3)
        browser.close()
    return told


def measure_rows(root: Path, rows: int, browser: bool) -> dict[str, Any]:
    """Make the build of so many rows, then measure in a process of its own."""
    root.mkdir(parents=True, exist_ok=True)
    make_source(root, rows, max(1, rows // 10))
    open_large(root).run(lambda runner, step: None if step.type.last else runner.run(step))
    command = [sys.executable, "-m", "benchmarks.report_size", "--measure", str(root)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {**told, **(measure_page(root / "report.html") if browser else {})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--browser", action="store_true", help="open the page in Chromium too")
    parser.add_argument("--keep", type=Path, help="a folder for the workspaces and pages")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        sys.stdout.write(json.dumps(measure_writing(args.measure)))
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # the child has them too
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for rows in args.rows:
            told = measure_rows((args.keep or Path(scratch)) / str(rows), rows, args.browser)
            sys.stdout.write(json.dumps(told) + "\n")
            known[str(rows)] = told
            RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
