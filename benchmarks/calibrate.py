"""Whether a calibration names the right limit: the same recipe against a slow server, and against an instant one.

    python benchmarks/calibrate.py

`slow` takes a log-normal time of half a second and has 64 places, so that the models limit; `instant` answers at once, so
that the driver's core does. Each asks as `curate plan --calibrate` does (200 requests, and 2,000 where they take no time),
and projects to 10,000,000 samples. Other work on the machine changes seconds, not the limit: shares of a core leave out the
time for which the driver got none. Prints what was found and exits with 1 where a limit is another. Writes
benchmarks/results/calibrate.json.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from loopback import Load, fleet

from pipelines.job import Job, compile_recipe, open_job
from pipelines.preflight import check
from pipelines.projection.hours import project
from pipelines.projection.trial import calibrate

RESULT = Path(__file__).parent / "results" / "calibrate.json"
CASES = {"slow": (Load(0.5), 200, "models"), "instant": (Load(), 2_000, "driver")}
SAMPLES, ROWS = 10_000_000, 20_000
RECIPE = """\
name: sums
models:
  m: {model: m, engine: openai, base_urls: [URL], price_in: 0.1, price_out: 0.4}
sources:
  - {type: jsonl, name: rows, path: ROWS}
steps:
  - rollout: {model: m, n: 1, sampling: {temperature: 1.0, max_tokens: 64}}
  - verify: {of: rollout}
  - difficulty
"""


def case(load: Load, requests: int) -> dict[str, Any]:
    with fleet(1, load) as ((url,), _), tempfile.TemporaryDirectory() as scratch:
        rows, recipe = Path(scratch) / "rows.jsonl", Path(scratch) / "sums.yaml"
        made = ({"question": f"What is {n} and {n}?", "answer": str(2 * n), "kind": "number"} for n in range(ROWS))
        rows.write_text("\n".join(map(json.dumps, made)))
        recipe.write_text(RECIPE.replace("URL", json.dumps(url)).replace("ROWS", str(rows)))

        def opened(limit: int | None) -> Job:
            return open_job(compile_recipe(str(recipe), limit=limit), Path(scratch) / "out")

        measured, _ = calibrate(opened, requests, check)
    (one,) = measured.asked
    found = project(measured, SAMPLES)
    return {
        "answers": one.answers,
        "answers_a_second": round(one.rate, 1),
        "driver_ms": round(1000 * one.cpu_s / one.answers, 3),
        "of_a_core": round(one.busy, 3),
        "hours": {name: round(count, 2) for name, count in found.hours.items()},
        "dollars": found.dollars,
        "limit": found.limit,
    }


def main() -> None:
    found = {name: case(load, requests) for name, (load, requests, _) in CASES.items()}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    for name, one in found.items():
        sys.stdout.write(f"{name:8} {json.dumps(one)}\n")
    if wrong := [name for name, one in found.items() if one["limit"] != CASES[name][2]]:
        sys.exit(f"another limit: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
