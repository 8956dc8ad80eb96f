"""How long the report of a large release takes, how much memory, and how large the page is.

    python benchmarks/report_size.py [--samples 200000] [--pictures 20000] [--shown 10000] [--keep FOLDER]

The limit for write, card and report together is 5 min and 2 GB for 200,000 rows; the report has its own process, so that
the peak is its alone. The build's tables are made up, with eight rollouts a sample and texts that compress badly;
selection and release are the real stages. Where `playwright` is installed and a Chromium is found (CHROMIUM, or on the
PATH), the page is opened in it, and the time is told until it can be used and until a click on a filter has its answer.
Prints a table and writes benchmarks/results/report_size.json. `--keep` leaves the workspace and the page in a folder.
"""

import argparse
import json
import os
import resource
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

from filters.difficulty import DifficultyConfig, measure
from pipelines.media import MediaStore
from pipelines.recipe import load_recipe
from pipelines.report.origin import find_origin
from pipelines.report.write import write_report
from pipelines.stage import Build, run_stage, write_split
from pipelines.stages import road
from pipelines.workspace import Workspace, write_json, write_table
from schemas.ids import chance, hash_text
from schemas.sample import SAMPLE

RESULTS = Path(__file__).parent / "results"
LIMIT_S, LIMIT_GB = 300, 2.0
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
rollouts: {model: vlm, n: 8}
dedup: {}
split: {sft: 0.4, rl: 0.5, holdout: 0.1}
select: {budget: 0.8}
release: {images: IMAGES}
"""
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>bold</b> \u2028 {{7*7}}'
"""What a model may say: one question in a hundred says it."""


def make_workspace(root: Path, samples: int, pictures: int, images: str = "reference") -> None:
    """A finished build of `samples` rows and its release, in the workspace `root/out`."""
    (root / "rows.jsonl").write_text("{}\n")  # named by the recipe, never read
    (root / "large.yaml").write_text(RECIPE.replace("SOURCE", str(root / "rows.jsonl")).replace("IMAGES", images))
    build = Build(load_recipe(str(root / "large.yaml"), ()), Workspace(root / "out"))
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
        write_json({**facts, "fingerprint": "made up", "notes": {}}, folder / "stage.json")
    for name in ("select", "release"):
        run_stage(plan, plan.stage(name))


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
    scored = said.drop("text").with_columns(_verdict(pl.col("id")))
    measures = measure(scored, DifficultyConfig())
    traces = pl.DataFrame({"sample_id": ids, "id": "t" + ids, "index": pl.Series([0] * number, dtype=pl.Int32)})
    traces = traces.with_columns(key="id").with_columns(reasoning=_words(20)).drop("key")
    text = pl.concat_str(pl.lit("<think>"), "reasoning", pl.lit("</think><answer>\\boxed{7}</answer>"))
    ends = {"final": pl.lit("7"), "finish_reason": pl.lit("stop"), "tokens": pl.lit(90, pl.Int32)}
    traces = traces.with_columns(text=text, **ends)
    right = _drop_share(traces["id"], chance("right", traces["id"]), 0.3, 1.0)
    told = traces.join(right, on="id", how="semi").with_columns(**_GOOD)
    wrong = traces.join(right, on="id", how="anti").select("id", reason=pl.lit("verify:wrong"),
        evidence=pl.struct("sample_id", extracted=pl.lit("8")).struct.json_encode())  # fmt: skip
    split = live.with_columns(group="id", split=_split(live["id"]))
    return {
        "ingest": (number, ingest, lost, {}),
        "selftest": (number, ids.to_frame(), lost, {}),
        "caption": (number, ids.to_frame().with_columns(caption=pl.lit("A bar chart of nine bars. " * 8)), lost, {}),
        "distill": (number, traces.drop("text"), lost, {}),
        "verify": (number, told, wrong, {}),
        "rollouts": (said.height, said, lost, {}),
        "score": (said.height, scored, lost, {}),
        "difficulty": (number, measures.sort("id"), lost, {"measures": measures}),
        "dedup": (number, live, twins, {}),
        "split": (live.height, split, lost, {}),
        "round_trip": (live.height, live.with_columns(solution=pl.lit("$7$")), lost, {}),
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
    picture = {"kind": "image", "width": 224, "height": 224, "duration": None, "role": "question", "derived_from": None}
    number = pl.int_range(pl.len())
    asked = pl.format("Which bar is number {} in height?", number)
    dataset = pl.when(number % 3 == 0).then(pl.lit("charts")).otherwise(pl.lit("maps"))
    facts = {"dataset": dataset, "split": pl.lit("train"), "row": number.cast(pl.String), "license": pl.lit("MIT")}
    rows = pl.DataFrame([ids, media]).with_columns(
        question=pl.when(number % 100 == 7).then(pl.lit(HOSTILE)).otherwise(asked),
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
        text=_words(12), finish_reason=pl.lit("stop"), tokens=pl.lit(80, pl.Int32),
    )  # fmt: skip


def _words(number: int) -> pl.Expr:
    """A text that compresses badly: `number` times 20 digits of a hash and a few words."""
    return pl.concat_str(
        [pl.format("{} bars from the left", pl.col("key").hash(i)) for i in range(number)], separator=", "
    )


def _verdict(id_: pl.Expr) -> list[pl.Expr]:
    """A sample is as hard as its id says: between none and all of its rollouts are right."""
    skill = id_.str.slice(0, 2).str.to_integer(base=16, strict=False).cast(pl.Float64) / 255
    right = (id_.str.slice(-1).cast(pl.Int64) + 0.5) / ROLLOUTS < skill
    return [right.alias("correct"), right.cast(pl.Float64).alias("score"), pl.lit("7").alias("extracted"),
            pl.lit("another number").alias("explanation"), pl.lit("rule").alias("tier")]  # fmt: skip


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


def measure_report(root: Path, shown: int) -> dict[str, Any]:
    """Run in a process of its own; prints JSON."""
    started = time.perf_counter()
    told = write_report(find_origin("large", root / "out"), root / "report.html", shown)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = (root / "report.html").stat().st_size / 1e6
    return {
        **told,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_gb": round(peak, 2),
        "page_mb": round(size, 1),
    }


def measure_page(page: Path) -> dict[str, float]:
    """Seconds until the page can be used, and until a click on each of two filters is answered; empty without a browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--shown", type=int, default=10_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        sys.stdout.write(json.dumps(measure_report(args.measure, args.shown)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep or Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        make_workspace(root, args.samples, args.pictures)
        made = round(time.perf_counter() - started, 1)
        command = [sys.executable, __file__, "--measure", str(root), "--shown", str(args.shown)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        told |= {
            "making_the_release_s": made,
            "limit_s": LIMIT_S,
            "limit_gb": LIMIT_GB,
            **measure_page(root / "report.html"),
        }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "report_size.json").write_text(json.dumps(told, indent=2) + "\n")
    for name, value in told.items():
        sys.stdout.write(f"{name:24}{value:>14,}\n")


if __name__ == "__main__":
    main()
