"""Planted image-independent questions and wrong golds: what the blind test and the vote find, and what they accuse wrongly.

    python benchmarks/checks_planted.py [--rows 1000] [--n 16] [--seed 0] [--forms seen|all]
        [--wordings shared|own] [--scenes 0.1] [--out FOLDER]

One source of easy-VQA test questions and procedural scenes. A tenth are planted questions of a source with a language
prior: "does the image (not) contain a C shape?", always about a colour that is not there, so that the text alone fixes
the gold ("no", with "not" "yes"). The two forms were chosen beforehand because the reference VLM, asked each of them eight
colours 32 times without any image, gave that answer in at least 81 % of the samples for every colour; its training
world answers them so in 88 % of the images. No other row uses these two forms. The six other forms of the kind, in
which the prior's answer is the gold in 88 % of the rows, are among the rest: calling those blind is a false alarm.
Eight in a hundred of the rest get a wrong gold, drawn by hash. The dataset is built by the `curate build` command.
Of easy-VQA, "is there a circle?" and its like are left out, because there the reference VLM sees nothing: it was right
in 56 % of 2,400 rollouts about 150 of them, and what a student cannot see it cannot vouch for. `--forms all` keeps them.

With `--wordings own` no two questions share a wording: each names an item by its number, which the student is not shown,
because the few forms that it knows are all that it can read.
Prints tables and writes benchmarks/results/checks_planted*.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from filters.checks.significance import lower_bound
from generators.scenes import COLOURS, SHAPES, iter_scenes, questions, render
from pipelines.explain.query import open_tables
from schemas.ids import seeded

RESULTS = Path(__file__).parent / "results"
COLOUR_NAMES = tuple(COLOURS)[:8]
PLANTED = {"does the image contain a {} shape?": "no", "does the image not contain a {} shape?": "yes"}
PLANTED_SHARE, WRONG_SHARE = 0.10, 0.08
RECIPE = """\
name: planted
models:
  vlm: {{model: reference-vlm, engine: transformers, concurrency: 128}}
sources:
  - {{type: jsonl, name: planted, path: {source}, image_root: [., {images}], columns: {{asked: str}}}}
steps:
  - rollout: {{model: vlm, n: {n}, prompt: "{{{{ asked }}}}", sampling: {{temperature: 1.0, max_tokens: 12}}}}
  - checks: {{model: vlm, n: {n}, checks: [{{type: text_only}}, {{type: grey_image}}, {{type: vote}}]}}
"""

Row = dict[str, Any]


def easy_rows() -> Iterator[tuple[Row, str]]:
    """easy-VQA test rows, each with the colour of its image's shape."""
    import easy_vqa

    paths = easy_vqa.get_test_image_paths()
    asked = list(zip(*easy_vqa.get_test_questions(), strict=True))
    colour_of = {image: answer for _, answer, image in asked if answer in COLOUR_NAMES}
    for number, (question, answer, image) in enumerate(asked):
        kind = "boolean" if answer in ("yes", "no") else "text"
        row = {"row": f"easy-{number}", "question": question, "answer": answer, "kind": kind, "image": paths[image]}
        if image in colour_of:
            yield row, colour_of[image]


def planted_rows(count: int, seed: int, images: list[tuple[Row, str]]) -> list[Row]:
    """Questions about absent colours, over images and colours drawn by hash."""
    rows = []
    for number in range(count):
        rng = seeded(f"planted-{seed}", str(number))
        form = tuple(PLANTED)[number % len(PLANTED)]
        image, there = rng.choice(images)
        colour = rng.choice([c for c in COLOUR_NAMES if c != there])
        row = {"row": f"prior-{number}", "question": form.format(colour), "answer": PLANTED[form], "kind": "boolean"}
        rows.append({**row, "image": image["image"]})
    return rows


def scene_rows(count: int, seed: int, folder: Path) -> list[Row]:
    """One question about each of `count` scenes of levels 1 and 2."""
    rows = []
    for number, scene in enumerate(iter_scenes("test", count, f"planted-{seed}", levels=(1, 2))):
        path = folder / f"scene-{number}.png"
        render(scene).save(path)
        asked = seeded(f"planted-{seed}", scene.id).choice(questions(scene))
        row: Row = {"row": f"scene-{number}", "question": asked.stem, "answer": asked.answer, "kind": asked.kind}
        rows.append({**row, "image": str(path), "options": list(asked.options) or None, "asked": asked.question})
    return rows


def spoil(row: Row, seed: int) -> Row:
    """The row with a wrong gold of the same kind."""
    rng, answer = seeded(f"wrong-{seed}", row["row"]), row["answer"]
    if row["kind"] == "boolean":
        wrong = "no" if answer == "yes" else "yes"
    elif row["kind"] == "number":
        wrong = str(int(answer) + rng.choice((1, -1) if int(answer) > 0 else (1,)))
    elif row["kind"] == "choice":
        wrong = rng.choice([x for x in "ABCD"[: len(row["options"])] if x != answer])
    else:
        domains = (COLOUR_NAMES, SHAPES, ("more", "fewer", "equal"), ("left", "right"), ("above", "below"))
        domain = next((d for d in domains if answer in d), tuple(COLOURS))
        wrong = rng.choice([x for x in domain if x != answer])
    return {**row, "answer": wrong}


def is_seen(row: Row) -> bool:
    """Whether the reference VLM can see what is asked: yes or no about a shape (no colour named) it cannot."""
    words = row["question"].strip("?").split()
    return row["kind"] != "boolean" or not set(words) & set(SHAPES)


def worded(number: int, row: Row, wordings: str) -> Row:
    """The row with what the student is asked, and a wording of its own if there is to be one."""
    question = f"Item {number}: {row['question']}" if wordings == "own" else row["question"]
    return {"asked": row["question"], **row, "question": question}


def plant(count: int, seed: int, folder: Path, forms: str, wordings: str, part: float) -> pl.DataFrame:
    """Write `rows.jsonl`; returns the truth: `row, independent, wrong, part`."""
    pool = list(easy_rows())
    independent = planted_rows(round(count * PLANTED_SHARE), seed, pool)
    scenes = scene_rows(round(count * part), seed, folder)
    reserved = {form.format(colour) for form in PLANTED for colour in COLOUR_NAMES}
    others = [r for r, _ in pool if r["question"] not in reserved and (forms == "all" or is_seen(r))]
    others = sorted(others, key=lambda r: str(r["row"]))
    seeded(f"easy-{seed}", "draw").shuffle(others)
    rest = others[: count - len(independent) - len(scenes)] + scenes
    order = sorted(rest, key=lambda r: seeded(f"spoil-{seed}", str(r["row"])).random())
    wrong = {r["row"] for r in order[: round(count * WRONG_SHARE)]}
    rows = independent + [spoil(r, seed) if r["row"] in wrong else r for r in rest]
    written = [json.dumps(worded(number, row, wordings)) for number, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("\n".join(written))
    return pl.DataFrame(
        {
            "row": [r["row"] for r in rows],
            "independent": [str(r["row"]).startswith("prior") for r in rows],
            "wrong": [r["row"] in wrong for r in rows],
        }
    ).with_columns(part=pl.col("row").str.extract(r"^(\w+)-"))


def build(folder: Path, n: int) -> None:
    """The real command."""
    import easy_vqa

    images = Path(easy_vqa.get_test_image_paths()[0]).parent
    (folder / "planted.yaml").write_text(RECIPE.format(source=folder / "rows.jsonl", images=images, n=n))
    command = [str(Path(sys.executable).with_name("curate")), "build", "planted.yaml", "-w", "out"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(command, check=True, cwd=folder, env=environment)


def score(name: str, flagged: pl.Series, truth: pl.Series) -> dict[str, Any]:
    """Recall, precision and false alarms of a flag, with what they are counted from."""
    hits, planted = int((flagged & truth).sum()), int(truth.sum())
    alarms, clean = int((flagged & ~truth).sum()), int((~truth).sum())
    accused = hits + alarms
    return {
        "test": name,
        "found": hits,
        "planted": planted,
        "missed": planted - hits,
        "recall": round(hits / planted, 4) if planted else None,
        "false_alarms": alarms,
        "clean": clean,
        "false_alarm_rate": round(alarms / clean, 4) if clean else None,
        "precision": round(hits / accused, 4) if accused else None,
    }


def report(folder: Path, truth: pl.DataFrame) -> dict[str, Any]:
    """Everything that is printed."""
    with open_tables(folder / "out", "planted") as db:
        rows = db.sql("SELECT *, source.row AS row FROM samples").pl()
        results = db.sql("SELECT * FROM checks_results").pl()
    text = results.filter(check="text_only").select("id", "family", k="base_k", n="base_n")
    grey = results.filter(check="grey_image").select("id", blind_grey=pl.col("flag") == "blind")
    for table in (text, grey):
        rows = rows.join(table, on="id", how="left")
    rows = rows.join(truth, on="row").sort("id")
    right = pl.col("k_text") * 2 > pl.col("n_text")
    tables = [
        score("blind", rows["blind"].fill_null(False), rows["independent"]),
        score("p_text <= 0.05 (each question by itself)", rows["p_text"] <= 0.05, rows["independent"]),
        score("blind_grey", rows["blind_grey"].fill_null(False), rows["independent"]),
        score("label_suspect", rows["label_suspect"].fill_null(False), rows["wrong"]),
    ]
    by_family = rows.group_by("family").agg(
        rows=pl.len(), planted=pl.col("independent").sum(), blind_right=right.sum(), flagged=pl.col("blind").sum()
    )
    low = lower_bound(by_family["blind_right"].to_numpy(), by_family["rows"].to_numpy(), 0.05)
    by_family = by_family.with_columns(lower_bound=pl.Series(low).round(3)).sort("rows", descending=True)
    by_part = rows.group_by("part").agg(
        rows=pl.len(),
        pass_rate=(pl.col("k") / pl.col("n")).mean().round(3),
        blind_rate=(pl.col("k_text") / pl.col("n_text")).mean().round(3),
        wrong=pl.col("wrong").sum(),
        suspects=pl.col("label_suspect").sum(),
        right_suspects=(pl.col("label_suspect") & pl.col("wrong")).sum(),
    )
    return {"tests": tables, "families": by_family.to_dicts(), "parts": by_part.sort("part").to_dicts()}


def main() -> None:
    """Plant, build, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forms", choices=("seen", "all"), default="seen")
    parser.add_argument("--wordings", choices=("shared", "own"), default="shared")
    parser.add_argument("--scenes", type=float, default=0.1, help="share of the rows that are about scenes")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        truth = plant(given.rows, given.seed, folder, given.forms, given.wordings, given.scenes)
        build(folder, given.n)
        found = report(folder, truth)
    with pl.Config(tbl_rows=50, tbl_cols=20, fmt_str_lengths=70, tbl_width_chars=160, tbl_hide_dataframe_shape=True):
        for table in found.values():
            sys.stdout.write(f"{pl.DataFrame(table)}\n")
    found["arguments"] = {
        "rows": given.rows,
        "n": given.n,
        "seed": given.seed,
        "forms": given.forms,
        "wordings": given.wordings,
    }
    RESULTS.mkdir(exist_ok=True)
    name = "checks_planted" + "_all_forms" * (given.forms == "all") + "_own_wordings" * (given.wordings == "own")
    name += "_scenes" * (given.scenes > 0.5)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
