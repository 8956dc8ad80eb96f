"""Writing releases: rows a second with images by reference, and how fast images are embedded beside a bare copy.

    python benchmarks/release_write.py           # 200,000 rows with images by reference, beside 5 minutes and 2 GB
    python benchmarks/release_write.py --embed   # 2,000 images of 0.5 MB embedded, beside copying the same files

Prints one line a case and writes benchmarks/results/release_write.json. The peak is the process's own resident memory.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from pipelines.compiler.compile import Before
from pipelines.job import compile_recipe
from pipelines.release.configs import Shape
from pipelines.release.write import Content, Look, write_release
from pipelines.steps.release_plan import plan
from pipelines.steps.release_rows import shape_of
from pipelines.store.media import MediaStore

RESULTS = Path(__file__).parent / "results" / "release_write.json"
REASONING = "The figure shows two right triangles that share a side, so their areas are as their bases. " * 12


RECIPE = """\
name: shapes
models: {vlm: {model: reference-vlm}}
sources: [{type: jsonl, name: rows, path: rows.jsonl, columns: {tried: [str]}}]
steps:
  - unfold: {as: given, column: tried, makes: trace}
  - rollout: {model: vlm}
  - verify: {as: scored, of: rollout}
  - difficulty
  - split: {sft: 0.5, rl: 0.5}
  - select
  - release: {sft: {of: trace}, rl: {of: sample}}
"""


def shapes(media: MediaStore, images: str) -> dict[str, Shape]:
    """The shapes of the configs of that recipe."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shapes.yaml").write_text(RECIPE)
        pipeline = compile_recipe(str(Path(folder) / "shapes.yaml")).pipeline
    release = pipeline.step("release")
    planned = plan(release.config, Before(pipeline.names, pipeline.before(release)))
    return {one.name: shape_of(one, media, images) for one in planned}


def content(rows: int, shas: list[str], media: MediaStore, images: str = "embed") -> Content:
    """A release of `rows` prompts: sft, rl, unfiltered and control, with a trace of about 1,100 characters each."""
    number = pl.int_range(rows, eager=True)
    table = pl.DataFrame({"number": number}).select(
        id=pl.col("number").cast(pl.String).str.zfill(32),
        sample_id=pl.col("number").cast(pl.String).str.zfill(32),
        options=pl.lit([], dtype=pl.List(pl.String)),
        answer=pl.struct(
            kind=pl.lit("number"), raw=pl.col("number").cast(pl.String), parsed=pl.lit('{"kind":"number"}')
        ),
        verifier=pl.struct(id=pl.lit("number"), params=pl.lit("{}")),
        media=pl.concat_list(
            pl.struct(
                sha256=pl.Series(shas).gather(number % len(shas)),
                kind=pl.lit("image"),
                position=pl.lit(None, pl.Int32),
            )
        ),
        source=pl.struct(dataset=pl.lit("triangles"), row=pl.lit("0"), license=pl.lit("mit")),
        solution=pl.format("${}$", "number"),
        text=pl.format("<think>{}</think>\n<answer>{}</answer>", pl.lit(REASONING), "number"),
        group_id=(pl.col("number") % len(shas)).cast(pl.String),
        split_group=pl.lit(None, pl.String),
        written=pl.lit("think_answer"),
        model=pl.lit("student"),
        k=(pl.col("number") % 9).cast(pl.Int32),
        n=pl.lit(8, pl.Int32),
        band=pl.lit("medium"),
        reply_index=pl.lit(0, pl.Int32),
        reply_model=pl.lit("teacher"),
        training_order=pl.col("number").cast(pl.Int32),
        value=pl.lit(0.25),
        weight=pl.lit(None, pl.Float64),
        control=pl.lit(False),
        reply_gold_visible=pl.lit(False),
        side=pl.lit("rl"),
        released=pl.lit(True),
    )
    asked = {"prompt:question": pl.format("What is the area of triangle {}?", "solution"), "prompt:options": "options"}
    table = table.with_columns(**asked, **{"prompt:media": "media"})
    scratch = Path(tempfile.mkdtemp()) / "rows.parquet"
    table.write_parquet(scratch)
    rows_ = pl.scan_parquet(scratch)
    half = rows_.filter(pl.col("k") < 4)
    reason = pl.lit("select:budget")
    drops = rows_.select("id", step=pl.lit("select"), unit=pl.lit("sample"), sample_id="id", reason=reason)
    drops = drops.with_columns(evidence=pl.lit("{}"))
    recipe = {"name": "big", "description": "", "seed": 0, "sources": []}
    tables = {"sft": half, "rl": rows_.filter(pl.col("k") >= 4), "control": half, "unfiltered": rows_}
    manifest = {"recipe": recipe, "models": {}, "steps": [], "sources": [], "encoders": [], "images": images}
    manifest |= {
        "facts": {"captions": False},
        "configs": {name: {"of": "sample", "holds": "prompts", "sides": None, "where": None} for name in tables},
    }
    return Content(tables, shapes(media, images), drops, manifest)


def by_reference(rows: int) -> dict[str, float | int | str]:
    """`rows` prompts over 20,000 images that stand beside the parquet."""
    with tempfile.TemporaryDirectory() as root:
        media = MediaStore(Path(root) / "media")
        images = [media.put(os.urandom(2_000), "png") for _ in range(min(20_000, rows))]
        release = content(rows, images, media, "reference")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        path = write_release(release, Look("reference"), media, Path(root) / "releases")
        seconds = time.perf_counter() - started
        written = sum(f["rows"] for f in json.loads((path / "manifest.json").read_text())["files"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    facts = {"case": "reference", "samples": rows, "rows_written": written, "seconds": round(seconds, 1)}
    sizes = {"peak_gb": round(peak / 2**20, 2), "before_gb": round(before / 2**20, 2)}
    return {**facts, **sizes, "of_5_minutes": round(seconds / 300, 3), "of_2_gb": round(peak / 2**21, 3)}


def embedded(images: int, size: int) -> dict[str, float | int | str]:
    """Embed images, beside copying the same files with the operating system, both flushed to the disk."""
    with tempfile.TemporaryDirectory() as root:
        media = MediaStore(Path(root) / "media")
        names = [media.put(os.urandom(size), "png") for _ in range(images)]
        release = content(images, names, media)
        everything = pl.concat([release.tables["sft"], release.tables["rl"]])
        release = Content({"rl": everything}, release.shapes, release.dropped, release.manifest)
        started = time.perf_counter()
        write_release(release, Look(), media, Path(root) / "releases")
        ours = time.perf_counter() - started
        copies = Path(root) / "copies"
        copies.mkdir()
        started = time.perf_counter()
        for name in names:
            shutil.copyfile(media.path(name), copies / name)
        os.sync()
        bare = time.perf_counter() - started
    megabytes = images * size / 1e6
    speed, copied = megabytes / ours, megabytes / bare
    speeds = {"megabytes": round(megabytes), "mb_per_s": round(speed), "copy_mb_per_s": round(copied)}
    ratios = {"of_copy": round(speed / copied, 3), "of_100_mb_per_s": round(speed / 100, 2)}
    return {"case": "embed", "images": images, **speeds, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed", action="store_true")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=2_000)
    args = parser.parse_args()
    result = embedded(args.images, 500_000) if args.embed else by_reference(args.rows)
    sys.stdout.write(json.dumps(result) + "\n")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, str(result["case"]): result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
