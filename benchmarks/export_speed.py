"""How fast a release with images inside is exported, and in how much memory.

    python benchmarks/export_speed.py [--rows 20000] [--image-kb 50] [trainer …]

The limits are 100 MB/s of images, or the disk's own speed where that is less, and a peak that does not grow with the
rows. The peer in the same run is a copy of the release's files, flushed to the disk. Prints a table and writes
benchmarks/results/export_speed.json.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from memory import peak_gb

from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.write import export
from pipelines.release.parquet_shards import IMAGES, TURNS, Shards, hub_schema
from pipelines.store.release_files import content_of, table_entry
from pipelines.store.release_seal import FORMAT, seal
from schemas.ids import content_id

RESULTS = Path(__file__).parent / "results"
BATCH = 256
TEXTS = ("answer", "verifier", "verifier_params", "solution", "id", "tags", "dataset", "group", "model", "band")
SCHEMA = hub_schema(
    {
        "prompt": TURNS, "images": IMAGES, "image_positions": pa.list_(pa.int32()), "options": pa.list_(pa.string()),
        **dict.fromkeys(TEXTS, pa.string()), **dict.fromkeys(("k", "n", "order"), pa.int32()),
        **dict.fromkeys(("value", "weight"), pa.float64()),
    }
)  # fmt: skip
"""What rows of `rl` have that exporters read."""


def write_release(root: Path, rows: int, image_bytes: int) -> Path:
    """A release of one RL split, an image of noise a row."""
    chance, folder = random.Random(0), root / "releases" / "speed" / "v1"
    with Shards(folder / "rl", SCHEMA) as shards:
        for start in range(0, rows, BATCH):
            shards.write([_row(start + i, chance.randbytes(image_bytes)) for i in range(min(BATCH, rows - start))])
    files = [table_entry(path, folder, count) for path, count in shards.files]
    own = {"format": FORMAT, "name": "speed", "version": "v1", "files": files, "content": content_of(files)}
    seal(own, folder)
    return folder


def _row(number: int, data: bytes) -> dict[str, object]:
    gold = {
        "answer": '{"kind":"text","raw":"blue","value":"blue","aliases":[]}',
        "verifier": "text",
        "solution": "$blue$",
    }
    facts = {"id": content_id(number), "tags": "think_answer", "dataset": "noise", "group": content_id(number)}
    prompt = [{"role": "user", "content": f"What is shown in picture {number}? " * 5}]
    image = {"bytes": data, "path": f"{number:064x}.png"}
    return {**gold, **facts, "verifier_params": "{}", "options": [], "prompt": prompt, "images": [image]}


def measure(release: Path, trainer: str, target: Path) -> None:
    """Run in a process of its own, so that the peak memory is that of the export alone; prints JSON."""
    started = time.perf_counter()
    if trainer == "copy":
        shutil.copytree(release, target)
    else:
        export(open_release(str(release), Path()), exporter_of(trainer), target)
    for path in target.rglob("*") if trainer == "copy" else ():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": round(seconds, 2), "peak_gb": round(peak_gb(), 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainers", nargs="*", default=["copy", *EXPORTERS])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--image-kb", type=int, default=50)
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], given.trainers[0], given.measure[1])
        return
    megabytes = given.rows * given.image_kb / 1000
    table = []
    with tempfile.TemporaryDirectory() as folder:
        release = write_release(Path(folder), given.rows, given.image_kb * 1000)
        for trainer in given.trainers:
            target = Path(folder) / "out"
            command = [sys.executable, __file__, trainer, "--measure", str(release), str(target)]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            shutil.rmtree(target)
            table.append({"trainer": trainer, **told, "mb_per_s": round(megabytes / told["seconds"])})
            sys.stdout.write(
                f"{trainer:>14}  {told['seconds']:7.1f} s  {table[-1]['mb_per_s']:5} MB/s  {told['peak_gb']} GB\n"
            )
    RESULTS.mkdir(exist_ok=True)
    said = {"rows": given.rows, "image_kb": given.image_kb, "table": table}
    (RESULTS / "export_speed.json").write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
