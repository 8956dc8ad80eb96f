"""Every pure step of a build: rows a second, growth, memory, what a second process adds, and what the bytes alone cost.

    python benchmarks/step_scale.py                      # 100,000 and 400,000 samples; hours, and gigabytes on the disk
    python benchmarks/step_scale.py --samples 500 2000   # minutes
    python benchmarks/step_scale.py --samples 5000 20000 --chars 1200

No model is asked: questions with images (a tenth of them planted duplicates of another question) come with eight rollouts
each, and every step type that needs no model works on them. Each size is built twice, by one process and by two, each in a
Python of its own. A row is one of the unit that a step works on; of a step that makes more of them, one that it makes; of
`release`, one that lies in its tables. A sample of `ingest` holds eight rollouts, so it has eight times their letters.

`rows/s` is by the clock, of two processes; it says something on a machine that does nothing else. `rows/cpu` is by processor
time, of two cores: twice the rows that the larger size has more than the smaller, over the seconds that one process takes
more for them, so that what a process loads once does not count. `of 5,000` is that of the two rates which is named by
`--by`, over the limit of 5,000 rows a second.

`floor` is what the bytes of a step cost however it is written: its columns read from their files, the tables that it wrote
written again by the same writer and hashed, nothing in between, by one process. `of floor` is that over what the step took:
at 1 nothing but codec and hash is left.

Results go to benchmarks/results/step_scale.json at the default sizes, else where `--out` says.
"""

import argparse
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

RESULTS = Path(__file__).parent / "results" / "step_scale.json"
SIZES = (100_000, 400_000)
IMAGES = 500
LIMIT = 5000
"""Rows a second of two cores."""
SHARDS = 16
"""How many there are at least, so that two processes share the work of small sizes."""
WORDS = [f"{a}{b}{c}" for a in ("tri", "rec", "cir", "squ", "hex") for b in "aeiou" for c in ("gle", "cle", "ne", "re")]

RECIPE = """\
name: scale
sources:
  - {type: parquet, name: figures, path: rows.parquet, kind: number,
     select: "SELECT question, answer, images, hint, tried FROM raw",
     columns: {hint: str, tried: [{text: str, model: str}]}}
driver: {workers: WORKERS}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - difficulty
  - tally: {as: counted, of: rollout, to: sample, gives: {rights: "count(*) FILTER (correct)"}}
  - sql: {as: sized, of: sample, gives: {letters: "length(question)"}}
  - unfold: {as: taught, column: tried, makes: trace}
  - verify: {as: checked, of: trace}
  - drop: {as: right, of: trace, if: {wrong: "checked.correct = false"}}
  - trim: {as: short, words: 0.9}
  - quality
  - pick: {take: shortest}
  - pair: {of: given, chosen: "correct", rejected: "correct = false", cap: 1}
  - dedup
  - split: {sft: 0.5, rl: 0.5}
  - select
  - release: {trainer: trl, images: reference, sft: {of: trace}, rl: {of: sample}}
"""


def image(number: int) -> bytes:
    """A small PNG, another for every number."""
    from PIL import Image, ImageDraw

    chance = Random(number)
    drawn = Image.new("RGB", (64, 64), tuple(chance.randrange(256) for _ in range(3)))
    for _ in range(6):
        box = [chance.randrange(32), chance.randrange(32), chance.randrange(32, 64), chance.randrange(32, 64)]
        ImageDraw.Draw(drawn).rectangle(box, fill=tuple(chance.randrange(256) for _ in range(3)))
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return file.getvalue()


def rows(samples: int, chars: int) -> Iterator[list[dict[str, Any]]]:
    """The source's rows, in pieces. Every tenth asks what the one before it does, in other spelling."""
    images = [image(number) for number in range(IMAGES)]
    piece = []
    for n in range(samples):
        original = n - 1 if n % 10 == 9 else n
        chance = Random(original)
        answer = original % 997
        question = f"How many {chance.choice(WORDS)} tiles lie beside {chance.choice(WORDS)} number {original}?"
        tried = []
        for place in range(8):
            said = answer if place < original % 9 else answer + 1 + place
            words = " ".join(chance.choices(WORDS, k=max(1, chars // 7 - 8)))
            tried.append({"text": f"<think>{words}</think><answer>{said}</answer>", "model": "student"})
        asked = question.upper().replace(" ", "  ") if original != n else question
        piece.append(
            {
                "question": asked,
                "answer": str(answer),
                "images": [{"bytes": images[original % IMAGES], "path": None}],
                "hint": "count",
                "tried": tried,
            }
        )
        if len(piece) == 2000:
            yield piece
            piece = []
    if piece:
        yield piece


def write_source(folder: Path, samples: int, chars: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = pa.struct([("text", pa.string()), ("model", pa.string())])
    shown = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [
            ("question", pa.string()),
            ("answer", pa.string()),
            ("images", pa.list_(shown)),
            ("hint", pa.string()),
            ("tried", pa.list_(said)),
        ]
    )
    with pq.ParquetWriter(folder / "rows.parquet", schema, compression="zstd") as writer:
        for piece in rows(samples, chars):
            writer.write_table(pa.Table.from_pylist(piece, schema))


def family() -> list[int]:
    """This process and all below it."""
    found, left = [], [os.getpid()]
    while left:
        pid = left.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


class Watch:
    """Processor seconds and the most memory of this process and those below it, read twenty times a second."""

    def __init__(self) -> None:
        self._ticks: dict[int, int] = {}
        self.most = 0
        self._end = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            self.look()

    def look(self) -> float:
        """Processor seconds so far."""
        size = 0
        for pid in family():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/statm").read_text().split()
            except OSError:
                continue
            self._ticks[pid] = int(fields[11]) + int(fields[12])
            size += (int(status[1]) - int(status[2])) * os.sysconf("SC_PAGE_SIZE")  # pages of files are nobody's
        self.most = max(self.most, size)
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._end.set()


def build(folder: Path, workers: int) -> dict[str, Any]:
    """Build the recipe with so many processes: seconds, processor seconds, peak and counts of each step."""
    from pipelines.job import compile_recipe, open_job
    from pipelines.store.step_tables import buckets_for

    recipe = folder / "scale.yaml"
    recipe.write_text(RECIPE.replace("WORKERS", str(workers)).replace("rows.parquet", str(folder / "rows.parquet")))
    samples = row_count(folder / "rows.parquet")
    more = {"buckets": SHARDS} if buckets_for(samples) < SHARDS else {}
    job = open_job(compile_recipe(str(recipe)), folder / f"workspace-{workers}", **more)
    watch, found = Watch(), dict[str, Any]()

    def run(runner: Any, step: Any) -> None:
        cpu, wall = watch.look(), time.perf_counter()
        watch.most = 0
        record = runner.run(step)
        wall = time.perf_counter() - wall
        cpu = watch.look() - cpu
        makes = step.number and step.makes and record["kept"] > record["in"]
        contents = {b: part["contents"] for b, part in record["buckets"].items()}
        found[step.name] = {
            "rows": record["kept"] if makes else record["in"],
            "of": step.makes if makes else record["of"],
            "scope": step.type.scope(step.config) if step.number else "source",
            "wall_s": wall,
            "cpu_s": cpu,
            "peak_gb": watch.most / 2**30,
            "contents": json.dumps([contents, record.get("tables")], sort_keys=True),
        }
        sys.stderr.write(f"  {step.name}: {wall:.1f} s, {cpu:.1f} s of processors\n")

    job.run(run)
    watch.end()
    release = job.release
    assert release is not None
    tables = [path for path in release.rglob("*.parquet") if path.parent != release]
    found["release"] |= {"rows": sum(map(row_count, tables)), "of": "row"}
    if workers == 1:
        for step in job.compiled.pipeline.steps:
            found[step.name]["floor_s"] = floor(job, step, folder)
    return found


def row_count(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def floor(job: Any, step: Any, folder: Path) -> float:
    """Processor seconds to read the columns of a step, and to write and hash the tables that it wrote, in this process."""
    reads: dict[Path, set[str]] = {}
    for source in step.all_sources():
        for column in source.columns:
            for path in (job.build.folder / column.step).glob("rows-*.parquet"):
                reads.setdefault(path, {"id"}).add(column.name)
    if not step.number:
        reads[folder / "rows.parquet"] = set()
    writes = sorted((job.build.folder / step.name).glob("*.parquet"))
    if step.name == "release":
        writes += sorted(job.release.rglob("*.parquet"))
    return sum(read_seconds(path, columns) for path, columns in reads.items()) + sum(map(write_seconds, writes))


def read_seconds(path: Path, columns: set[str]) -> float:
    import pyarrow.parquet as pq

    started = time.process_time()
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group, columns=sorted(columns) or None)
    return time.process_time() - started


def write_seconds(path: Path) -> float:
    import pyarrow.parquet as pq

    from schemas.digests import file_hash

    with pq.ParquetFile(path, pre_buffer=False) as file, tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        seconds, copy = 0.0, Path(scratch) / "copy.parquet"
        with pq.ParquetWriter(copy, file.schema_arrow, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                started = time.process_time()
                writer.write_table(table, row_group_size=len(table) or None)
                seconds += time.process_time() - started
        started = time.process_time()
        file_hash(copy)
        return seconds + time.process_time() - started


def measured(folder: Path, workers: int) -> dict[str, Any]:
    """`build`, in a Python of its own that may use so many processors for its tables as it has processes."""
    code = (
        f"import json, sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; from pathlib import Path; import step_scale; "
        f"json.dump(step_scale.build(Path({str(folder)!r}), {workers}), open({str(folder / 'out.json')!r}, 'w'))"
    )
    environment = {**os.environ, "POLARS_MAX_THREADS": str(workers), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def line(name: str, sizes: list[int], found: dict[tuple[int, int], Any], chars: int, by: str) -> dict[str, Any]:
    small, large = sizes
    one, two, less, less_2 = (found[key][name] for key in ((large, 1), (large, 2), (small, 1), (small, 2)))
    texts = 8 if one["of"] == "sample" else 1
    more = max(one["cpu_s"] - less["cpu_s"], 0.01)
    rates = {"clock": one["rows"] / two["wall_s"], "cpu": 2 * (one["rows"] - less["rows"]) / more}
    grown = math.log(max(one["cpu_s"], 0.01) / max(less["cpu_s"], 0.01)) / math.log(large / small)
    return {
        "step": name,
        "scope": one["scope"],
        "rows": one["rows"],
        "of": one["of"],
        "rows/s": round(rates["clock"]),
        "rows/cpu": round(rates["cpu"]),
        f"of {LIMIT:,}": round(rates[by] / LIMIT, 2),
        "mb/cpu": round(rates["cpu"] * chars * texts / 1e6),
        "ms a row": round(1000 * more / max(one["rows"] - less["rows"], 1), 3),
        "cpu_s": round(one["cpu_s"], 2),
        "floor": round(one["floor_s"], 2),
        "of floor": round((one["floor_s"] - less["floor_s"]) / more, 2),
        "speed_up": round(one["wall_s"] / two["wall_s"], 2),
        "cpu_ratio": round(two["cpu_s"] / max(one["cpu_s"], 0.01), 2),
        "growth": round(grown, 2),
        "peak_gb": round(two["peak_gb"], 2),
        "peak_small": round(less_2["peak_gb"], 2),
        "hours_at_10m": round(
            (two["wall_s"] if by == "clock" else more * large / (large - small) / 2)
            * (1e7 / large) ** max(1.0, grown)
            / 3600,
            2,
        ),
        "same": one["contents"] == two["contents"],
        "rows_per_s_2": round(rates[by]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs=2, default=list(SIZES), help="the two sizes")
    parser.add_argument("--chars", type=int, default=17_000, help="letters of a rollout")
    parser.add_argument(
        "--by", choices=("clock", "cpu"), default="clock", help="which rate counts; cpu on a busy machine"
    )
    parser.add_argument("--scratch", type=Path, help="where the builds lie meanwhile")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    asked = parser.parse_args()
    found: dict[tuple[int, int], Any] = {}
    for samples in asked.samples:
        with tempfile.TemporaryDirectory(dir=asked.scratch) as scratch:
            write_source(Path(scratch), samples, asked.chars)  # once: every sample names the file that it comes from
            for workers in (1, 2):
                sys.stderr.write(f"{samples:,} samples, {workers} processes\n")
                found[samples, workers] = measured(Path(scratch), workers)
                shutil.rmtree(Path(scratch) / f"workspace-{workers}")
    lines = [line(name, asked.samples, found, asked.chars, asked.by) for name in found[asked.samples[1], 1]]
    head = [name for name in lines[0] if name != "rows_per_s_2"]
    widths = {name: max(len(name), *(len(str(one[name])) for one in lines)) for name in head}
    for one in [dict(zip(head, head, strict=True)), *lines]:
        sys.stdout.write("  ".join(str(one[name]).rjust(widths[name]) for name in head) + "\n")
    for samples in asked.samples:
        one, two = (found[samples, workers].values() for workers in (1, 2))
        wall, cpu = ([sum(step[f"{kind}_s"] for step in steps) for steps in (one, two)] for kind in ("wall", "cpu"))
        sys.stdout.write(
            f"{samples:,} samples: {wall[0]:.1f} s by one process, {wall[1]:.1f} s by two: {wall[0] / wall[1]:.2f} times; "
            f"{cpu[0]:.1f} s and {cpu[1]:.1f} s of processors\n"
        )
    facts = {"created_at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    out = asked.out or (RESULTS if tuple(asked.samples) == SIZES else None)
    if out is not None:
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps({**facts, "by": asked.by, "chars": asked.chars, "lines": lines}, indent=2) + "\n")


if __name__ == "__main__":
    main()
