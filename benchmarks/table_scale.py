"""How much memory the steps of all rows need: each in a process of its own, on two sizes of the same build.

    python benchmarks/table_scale.py                        # 250,000 and 1,000,000 samples; half an hour and 3 GB of disk
    python benchmarks/table_scale.py --samples 20000 80000 --folder FOLDER

The samples are questions of 200 letters, a tenth of them asked twice in other spelling, in groups of four, with a number to
choose by. For each step it prints the processor seconds at the larger size, the exponent by which they grow, the peak of
memory at both sizes, beyond what an idle process of `curate` takes, and the bytes that a further row takes. Exits with 1
where a step grows faster than the power of 1.2. Writes benchmarks/results/table_scale.json.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

RESULTS = Path(__file__).parent / "results" / "table_scale.json"
STEPS = {
    "split": "split: {sft: 0.5, rl: 0.45, holdout: 0.05}",
    "ranked": 'sql: {as: ranked, of: sample, scope: all, gives: {place: "row_number() OVER (ORDER BY worth, id)"}}',
    "select": "select: {sides: [rl], rule: {type: column, by: worth}, budget: 0.5, quotas: {by: [kind]}}",
}
RECIPE = """\
name: tables
sources:
  - {type: parquet, name: asked, path: rows.parquet, kind: number, columns: {worth: float},
     select: "SELECT question, answer, group_id, worth FROM raw"}
steps:
"""
MOST = 1.2


def write_source(path: Path, samples: int) -> None:
    words = [
        f"{a}{b}{c}" for a in ("tri", "rec", "cir", "squ", "hex") for b in "aeiou" for c in ("gle", "cle", "ne", "re")
    ]
    import pyarrow.parquet as pq

    def pieces() -> Iterator[pl.DataFrame]:
        for start in range(0, samples, 50_000):
            rows = []
            for number in range(start, min(samples, start + 50_000)):
                original = number - 1 if number % 10 == 9 else number
                chance = Random(original)
                question = f"Of the {original} {' '.join(chance.choices(words, k=24))}, how many are left over?"
                asked = question.upper() if number != original else question
                rows.append((asked, str(original % 997), f"group-{number // 4}", chance.random()))
            yield pl.DataFrame(rows, schema=["question", "answer", "group_id", "worth"], orient="row")

    writer = None
    for piece in pieces():
        table = piece.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def build(folder: Path, name: str) -> None:
    """Bring one step up to date, in a process of its own; those before it are. Prints JSON."""
    from pipelines.job import compile_recipe, open_job

    job = open_job(compile_recipe(str(folder / "tables.yaml")), folder / "workspace")
    before = _used()
    found: dict[str, float] = {}

    def run(runner: Any, step: Any) -> None:
        if not found:
            runner.run(step)
            if step.name == name:
                cpu, peak = (after - then for after, then in zip(_used(), before, strict=True))
                found.update(cpu_s=cpu, peak_gb=peak)

    job.run(run)
    sys.stdout.write(json.dumps(found))


def _used() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    below = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + below.ru_utime + below.ru_stime, used.ru_maxrss / 2**20


def measured(folder: Path, samples: int) -> dict[str, dict[str, float]]:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rows.parquet").is_file():
        write_source(folder / "rows.parquet", samples)
    recipe = RECIPE.replace("rows.parquet", str(folder / "rows.parquet"))
    (folder / "tables.yaml").write_text(recipe + "".join(f"  - {step}\n" for step in STEPS.values()))
    found = {}
    for name in ("ingest", *STEPS):
        command = [sys.executable, __file__, "--build", name, "--folder", str(folder)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(folder: Path, small: int, large: int) -> bool:
    less, more = (measured(folder / str(samples), samples) for samples in (small, large))
    within, lines = True, {}
    for name in less:
        grown = math.log(more[name]["cpu_s"] / less[name]["cpu_s"]) / math.log(large / small)
        row = (more[name]["peak_gb"] - less[name]["peak_gb"]) * 2**30 / (large - small)
        lines[name] = {**more[name], "peak_gb_small": less[name]["peak_gb"], "growth": grown, "bytes_a_row": row}
        sys.stdout.write(
            f"{name:8} {more[name]['cpu_s']:7.1f} s, growth {grown:.2f}, peak {less[name]['peak_gb']:.2f} to "
            f"{more[name]['peak_gb']:.2f} GB: {row:,.0f} bytes a row\n"
        )
        within = within and (grown <= MOST or name == "ingest")
    RESULTS.write_text(json.dumps({"samples": [small, large], "steps": lines}, indent=1) + "\n")
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs=2, default=[250_000, 1_000_000], help="the two sizes")
    parser.add_argument("--folder", type=Path, default=None, help="where the builds lie; kept where given")
    parser.add_argument("--build", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        build(asked.folder, asked.build)
        return
    with tempfile.TemporaryDirectory() as scratch:
        if not compare(asked.folder or Path(scratch), *asked.samples):
            sys.exit(f"a step grows faster than by the power of {MOST}")


if __name__ == "__main__":
    main()
