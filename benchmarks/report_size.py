"""Writing a release, its card and its report: how long together, how much memory, how large the page is.

    python benchmarks/report_size.py                                   # 2,000, 20,000 and 200,000 rows
    python benchmarks/report_size.py --rows 200000 --browser           # and how fast the page answers in Chromium
    python benchmarks/report_size.py --rows 20000 --keep FOLDER        # leaves the workspace and the page in FOLDER

The limit is 5 minutes and 2 GB on two cores for 200,000 rows with pictures by reference. The build's tables are made up
first, a picture for every ten rows, eight rollouts a row and texts that compress badly; selection is the real stage. Then
one process, held to two cores, writes the release with the real stage, renders its card and writes its report of at most
10,000 samples: its seconds are told for each of the three, its peak of resident memory for all. With `--browser` (needs
`playwright` and a Chromium, CHROMIUM or on the PATH) the page is opened, and the time is told until it can be used and until
a click on a filter has its answer. Prints a line for each number of rows and writes benchmarks/results/report_size.json.
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
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build, run_stage, write_split
from pipelines.road.stages import road

from filters.difficulty import DifficultyConfig, is_unread, measure
from pipelines.release.card import publish_card
from pipelines.report.origin import find_origin
from pipelines.report.write import write_report
from pipelines.store.media import MediaStore
from pipelines.store.workspace import Workspace, write_json, write_table
from schemas.ids import chance, hash_text
from schemas.sample import SAMPLE

RESULTS = Path(__file__).parent / "results" / "report_size.json"
LIMIT_S, LIMIT_GB, CORES = 300, 2.0, 2
ROLLOUTS = 8
RECIPE = """\
name: large
description: A made-up release, to measure the report.
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: charts, path: SOURCE, license: MIT}
caption: {model: vlm}
distill: {model: vlm}
quality: null
rollouts: {model: vlm, n: 8}
dedup: {}
split: {sft: 0.4, rl: 0.5, holdout: 0.1}
select: {budget: 0.8}
release: {images: IMAGES}
"""
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>bold</b> \u2028 {{7*7}}'
"""What a model may say: one sample in a hundred says it in its question, caption, trace and rollouts."""


def make_workspace(root: Path, samples: int, pictures: int, images: str = "reference") -> None:
    """A finished build of `samples` rows and its release, in the workspace `root/out`."""
    make_build(root, samples, pictures, images)
    plan = road(_build(root))
    run_stage(plan, plan.stage("release"))


def make_build(root: Path, samples: int, pictures: int, images: str = "reference") -> None:
    """A build of `samples` rows up to selection, in the workspace `root/out`."""
    (root / "rows.jsonl").write_text("{}\n")  # named by the recipe, never read
    (root / "large.yaml").write_text(RECIPE.replace("SOURCE", str(root / "rows.jsonl")).replace("IMAGES", images))
    build = _build(root)
    build.workspace.prepare("large")
    shown = make_pictures(build.media, pictures)
    plan = road(build)
    for name, (rows_in, kept, dropped, more) in tables(samples, shown).items():
        stage = plan.stage(name)
        folder = build.folder(stage)
        folder.mkdir(parents=True)
        write_split(folder, kept, dropped)
        for table, rows in more.items():
            write_table(rows, folder / f"{table}.parquet")
        reasons = dict(dropped.group_by("reason").len().sort("reason").iter_rows())
        facts = {"stage": name, "unit": stage.unit, "rows_in": rows_in, "kept": kept.height, "dropped": reasons}
        facts |= {"fingerprint": "made up", "tables": {}, "reads": {}, "warnings": [], "notes": {}}
        write_json(facts, folder / "stage.json")
    run_stage(plan, plan.stage("select"))


def _build(root: Path) -> Build:
    return Build(load_recipe(str(root / "large.yaml"), ()), Workspace(root / "out"))


def make_pictures(store: MediaStore, number: int) -> list[str]:
    """So many photograph-like JPEGs in the store."""
    noise = np.random.default_rng(1)
    found = []
    for _ in range(number):
        coarse = noise.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        file = BytesIO()
        Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        found.append(store.put(file.getvalue(), "jpg"))
    return found


Table = tuple[int, pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]


def tables(number: int, shown: list[str]) -> dict[str, Table]:
    """By stage: rows in, kept, dropped, other tables."""
    ids = pl.Series("id", [hash_text(str(i)) for i in range(number)], dtype=pl.String)
    ingest, lost = _samples(ids, shown), _dropped(ids[:0], "", "{}")
    draw = chance("made up", ids)
    same = _drop_share(ids, draw, 0.0, 0.08)
    partner = ids.gather(((draw * number).cast(pl.Int64) + 1) % number)
    evidence = pl.DataFrame({"id": ids, "evidence": '{"kept":"' + partner + '","similarity":0.93}'})
    twins = same.join(evidence, on="id").select("id", reason=pl.lit("dedup:near"), evidence="evidence")
    live = ids.to_frame().join(twins, on="id", how="anti")
    said = _rollouts(ids)
    answer = pl.when(_is_right(pl.col("id"))).then(pl.lit("7")).otherwise(pl.lit("8"))
    said = said.with_columns(text=pl.format("{}\n<answer>{}</answer>", "text", answer))
    scored = said.drop("text").with_columns(_verdict(pl.col("id")))
    measures = measure(scored.with_columns(no_answer=is_unread()), DifficultyConfig())
    traces = pl.DataFrame({"sample_id": ids, "id": "t" + ids, "index": pl.Series([0] * number, dtype=pl.Int32)})
    traces = traces.with_columns(key="id").with_columns(reasoning=_or_hostile(_words(20))).drop("key")
    text = pl.concat_str(pl.lit("<think>"), "reasoning", pl.lit("</think><answer>\\boxed{7}</answer>"))
    ends = {"final": pl.lit("7"), "finish_reason": pl.lit("stop"), "tokens": pl.lit(90, pl.Int32)}
    traces = traces.with_columns(text=text, **ends)
    right = _drop_share(traces["id"], chance("right", traces["id"]), 0.3, 1.0)
    told = traces.join(right, on="id", how="semi").with_columns(**_GOOD)
    wrong = traces.join(right, on="id", how="anti").select("id", reason=pl.lit("verify:wrong"),
        evidence=pl.struct("sample_id", extracted=pl.lit("8")).struct.json_encode())  # fmt: skip
    split = live.with_columns(group="id", split=_split(live["id"]))
    read = told.join(live.select(sample_id="id"), on="sample_id", how="semi").select("id", "sample_id")
    return {
        "ingest": (number, ingest, lost, {}),
        "selftest": (number, ids.to_frame(), lost, {}),
        "caption": (
            number,
            ids.to_frame().with_columns(caption=_or_hostile(pl.lit("A bar chart of nine bars. " * 8))),
            lost,
            {},
        ),
        "distill": (number, traces.drop("text").with_columns(gold_visible=pl.lit(False)), lost, {}),
        "verify": (number, told, wrong, {}),
        "rollouts": (said.height, said, lost, {}),
        "score": (said.height, scored, lost, {}),
        "difficulty": (number, measures.sort("id"), lost, {"measures": measures}),
        "dedup": (number, live, twins, {}),
        "split": (live.height, split, lost, {}),
        "round_trip": (live.height, live.with_columns(solution=pl.lit("$7$")), lost, {}),
        "round_trip_traces": (read.height, read, lost, {}),
    }


_GOOD = {
    "score": 1.0,
    "correct": True,
    "extracted": pl.lit("7"),
    "explanation": pl.lit("the same number"),
    "tier": pl.lit("rule"),
}


def _samples(ids: pl.Series, shown: list[str]) -> pl.DataFrame:
    media = pl.Series("sha256", [shown[i % len(shown)] for i in range(len(ids))])
    picture = {"kind": "image", "width": 224, "height": 224, "duration": None, "role": "question"}
    picture |= {"derived_from": None, "position": None}
    number = pl.int_range(pl.len())
    asked = pl.format("Which bar is number {} in height?", number)
    dataset = pl.when(number % 3 == 0).then(pl.lit("charts")).otherwise(pl.lit("maps"))
    facts = {"dataset": dataset, "split": pl.lit("train"), "row": number.cast(pl.String), "license": pl.lit("MIT")}
    rows = pl.DataFrame([ids, media]).with_columns(
        question=_or_hostile(asked),
        source=pl.struct(**facts, url=pl.lit(None, pl.String)),
    )
    item = pl.struct(sha256="sha256", **{k: pl.lit(v) for k, v in picture.items()})
    gold = {"kind": "number", "raw": "7", "parsed": '{"kind":"number","raw":"7","value":"7"}'}
    rows = rows.with_columns(
        media=item.implode().over("id"),
        answer=pl.struct(**{k: pl.lit(v) for k, v in gold.items()}),
        verifier=pl.struct(id=pl.lit("number"), params=pl.lit("{}")),
        variant=pl.lit("orig"), group_id="id", options=pl.lit([], pl.List(pl.String)),
    )  # fmt: skip
    missing = [pl.lit(None).alias(name) for name in SAMPLE if name not in rows.columns]
    whole = rows.with_columns(missing).with_columns(
        pl.col("media").list.eval(pl.struct(*(pl.element().struct.field(f.name) for f in SAMPLE["media"].inner.fields)))
    )
    return whole.select(pl.col(name).cast(kind) for name, kind in SAMPLE.items())


def _rollouts(ids: pl.Series) -> pl.DataFrame:
    places = pl.DataFrame({"index": pl.Series(range(ROLLOUTS), dtype=pl.Int32)})
    rows = ids.rename("sample_id").to_frame().join(places, how="cross")
    rows = rows.with_columns(key=pl.format("{}-{}", "sample_id", "index"))
    return rows.select(
        pl.format("{}-{}", "sample_id", "index").alias("id"), "sample_id", "index", model=pl.lit("vlm"),
        text=_or_hostile(_words(12), ROLLOUTS), finish_reason=pl.lit("stop"), tokens=pl.lit(80, pl.Int32),
    )  # fmt: skip


def _or_hostile(text: pl.Expr, rows: int = 1) -> pl.Expr:
    """`text`, but for one sample in a hundred; a sample has so many `rows`, which stand together."""
    return pl.when(pl.int_range(pl.len()) // rows % 100 == 7).then(pl.lit(HOSTILE)).otherwise(text)


def _words(number: int) -> pl.Expr:
    """A text that compresses badly: `number` times 20 digits of a hash and a few words."""
    return pl.concat_str(
        [pl.format("{} bars from the left", pl.col("key").hash(i)) for i in range(number)], separator=", "
    )


def _is_right(id_: pl.Expr) -> pl.Expr:
    """A sample is as hard as its id says: between none and all of its rollouts are right."""
    skill = id_.str.slice(0, 2).str.to_integer(base=16, strict=False).cast(pl.Float64) / 255
    return (id_.str.slice(-1).cast(pl.Int64) + 0.5) / ROLLOUTS < skill


def _verdict(id_: pl.Expr) -> list[pl.Expr]:
    right = _is_right(id_)
    return [right.alias("correct"), right.cast(pl.Float64).alias("score"), pl.lit("7").alias("extracted"),
            pl.lit("another number").alias("explanation"), pl.lit("rule").alias("tier"),
            pl.lit("7").alias("parsed_response")]  # fmt: skip


def _split(ids: pl.Series) -> pl.Series:
    draw = chance("split", ids)
    return pl.select(
        pl.when(draw < 0.4).then(pl.lit("sft")).when(draw < 0.9).then(pl.lit("rl")).otherwise(pl.lit("holdout"))
    ).to_series()


def _drop_share(ids: pl.Series, draw: pl.Series, low: float, high: float) -> pl.DataFrame:
    return pl.DataFrame([ids]).filter(draw.is_between(low, high, closed="left"))


def _dropped(ids: pl.Series, reason: str, evidence: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": ids, "reason": reason, "evidence": evidence},
        schema=dict.fromkeys(("id", "reason", "evidence"), pl.String),
    )


def measure_writing(root: Path) -> dict[str, Any]:
    """Write, card and report of the build in `root`. Run in a process of its own."""
    marks = [time.perf_counter()]
    plan = road(_build(root))
    run_stage(plan, plan.stage("release"))
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
    make_build(root, rows, max(1, rows // 10))
    command = [sys.executable, __file__, "--measure", str(root)]
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
