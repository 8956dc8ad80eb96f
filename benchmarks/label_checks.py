"""Planted wrong golds: what a stronger model, or two solvers that agree, find, and one judge call, or the student's vote.

    python benchmarks/label_checks.py --models FOLDER [--rows 900] [--share 0.15] [--seed 0] [--steps 500]

One question about each of `rows` images: half of them easy-VQA test images, half procedural scenes of the test split,
levels 1 to 3; choices, numbers and words. A share of the golds is replaced, by hash, with what an annotator might have
written instead (`label_checkpoints.wrong_answer`). The dataset is built by `curate build`, with the models of
`label_checkpoints.py`, which are made in FOLDER where they are not there yet (about 20 minutes on a core).

Accused is a gold that
- `solver`: the stronger model's greedy answer does not reach (step `agree`);
- `two solvers`: the greedy answers of the stronger model and of the reference VLM, which reach each other, do not reach;
- `one judge call`: the judge says no to (step `judge`, one call at temperature 0 that shows image, question and gold);
- `one judge call, untrained`: the same call to the reference VLM as it ships;
- `student's vote`: `label_suspect` of the step `checks`, from 8 rollouts of the student.
Where a method cannot tell (no answer that reads as one of the kind, solvers that do not agree, an unreadable opinion) it
abstains: it accuses nobody, and a wrong gold there counts as missed. Balanced accuracy is the mean of the share of wrong
golds accused and the share of right ones not accused, over all rows. The interval of the difference to the judge call
is of 2,000 bootstrap samples of the rows. c = 0: rows that the student answered by their gold in none of its rollouts.
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

import numpy as np
import polars as pl
from label_checkpoints import JUDGE_PROMPT, make, wrong_answer

from generators.scenes import iter_scenes, questions, render
from pipelines.explain.query import open_tables
from schemas.ids import seeded

RESULTS = Path(__file__).parent / "results"
PROMPT = JUDGE_PROMPT.format(question="{{ question }}", answer="{{ answer }}").replace("\n", "\\n")
RECIPE = """\
name: labels
models:
  student: {model: STUDENT, engine: transformers, concurrency: 128}
  strong: {model: SOLVER, engine: transformers, concurrency: 128}
  other: {model: reference-vlm, engine: transformers, concurrency: 128}
  judge: {model: JUDGE, engine: transformers, concurrency: 128}
sources:
  - {type: jsonl, name: labels, path: rows.jsonl, image_root: [., IMAGES]}
steps:
  - rollout: {model: student, n: 8, sampling: {temperature: 1.0, max_tokens: 12}}
  - checks: {model: student, checks: [{type: vote}]}
  - verify: {of: rollout}
  - difficulty
  - distill: {as: first, model: strong, reply: {tags: plain}, sampling: {temperature: 0.0, max_tokens: 12}}
  - distill: {as: second, model: other, reply: {tags: plain}, sampling: {temperature: 0.0, max_tokens: 12}}
  - agree: {as: reached, between: [first]}
  - agree: {as: met, between: [first, second]}
  - judge: {as: trained, model: judge, ASKED}
  - judge: {as: untrained, model: other, ASKED}
  - sql:
      as: labels
      of: sample
      gives:
        solver: NOT reached.agreed
        solvers: CASE WHEN met.agreed THEN NOT reached.agreed END
        judged: trained = 'no'
        judged_untrained: untrained = 'no'
"""
ASKED = f'of: sample, sees: media, prompt: "{PROMPT}", unreadable: keep, sampling: {{temperature: 0.0, max_tokens: 4}}'
METHODS = {
    "solver": "solver",
    "two solvers": "solvers",
    "one judge call": "judged",
    "one judge call, untrained": "judged_untrained",
    "student's vote": "voted",
}

Row = dict[str, Any]


def easy_rows(count: int, seed: int) -> Iterator[Row]:
    """One question each, about colour or shape, of `count` easy-VQA test images."""
    import easy_vqa

    paths, asked = easy_vqa.get_test_image_paths(), dict[int, list[tuple[str, str]]]()
    for question, answer, image in zip(*easy_vqa.get_test_questions(), strict=True):
        if answer not in ("yes", "no"):
            asked.setdefault(image, []).append((question, answer))
    for image in seeded(f"labels-{seed}", "easy").sample(sorted(asked), count):
        question, answer = seeded(f"labels-{seed}", f"easy-{image}").choice(asked[image])
        yield {"row": f"easy-{image}", "question": question, "answer": answer, "kind": "text", "image": paths[image]}


def scene_rows(count: int, seed: int, folder: Path) -> Iterator[Row]:
    """One question each, with a choice, a number or a word for an answer, of `count` scenes."""
    found = 0
    for number, scene in enumerate(iter_scenes("test", 2 * count, f"labels-{seed}", levels=(1, 2, 3))):
        asked = [q for q in questions(scene) if q.kind != "boolean"]
        kinds = sorted({q.kind for q in asked})
        if not kinds or found == count:
            continue
        rng = seeded(f"labels-{seed}", scene.id)
        kind = rng.choice(kinds)
        one = rng.choice([q for q in asked if q.kind == kind])
        path, found = folder / f"scene-{number}.png", found + 1
        render(scene).save(path)
        row: Row = {"row": f"scene-{number}", "question": one.stem, "answer": one.answer, "kind": one.kind}
        yield {**row, "image": str(path), "options": list(one.options) or None, "asked": one.question}


def plant(count: int, share: float, seed: int, folder: Path) -> pl.DataFrame:
    """Write `rows.jsonl`; returns the truth: `row, wrong, kind`."""
    rows = [*easy_rows(count // 2, seed), *scene_rows(count - count // 2, seed, folder)]
    order = sorted(rows, key=lambda r: seeded(f"wrong-{seed}", str(r["row"])).random())
    wrong = {r["row"] for r in order[: round(len(rows) * share)]}
    for row in rows:
        asked = row.pop("asked", row["question"])
        if row["row"] in wrong:
            row["answer"] = wrong_answer(seeded(f"value-{seed}", str(row["row"])), asked, row["answer"])
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    names = [r["row"] for r in rows]
    return pl.DataFrame({"row": names, "wrong": [n in wrong for n in names], "kind": [r["kind"] for r in rows]})


def build(folder: Path, models: dict[str, Path]) -> pl.DataFrame:
    """The real command; a row for each sample that it kept."""
    import easy_vqa

    recipe = RECIPE.replace("ASKED", ASKED).replace("IMAGES", str(Path(easy_vqa.get_test_image_paths()[0]).parent))
    for name, path in models.items():
        recipe = recipe.replace(name.upper(), str(path.absolute()))
    (folder / "labels.yaml").write_text(recipe)
    command = [str(Path(sys.executable).with_name("curate")), "build", "labels.yaml", "-w", "out"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(command, check=True, cwd=folder, env=environment)
    columns = "solver, solvers, judged, judged_untrained, label_suspect AS voted, k, n"
    with open_tables(folder / "out", "labels") as db:
        return db.sql(f"SELECT source.row AS row, {columns} FROM samples").pl()


def score(name: str, says: pl.Series, wrong: pl.Series) -> dict[str, Any]:
    """What a method finds and accuses wrongly; null is an abstention."""
    accused = says.fill_null(False)
    hits, planted = int((accused & wrong).sum()), int(wrong.sum())
    alarms, clean = int((accused & ~wrong).sum()), int((~wrong).sum())
    if not planted or not clean:
        return {"method": name, "found": hits, "planted": planted, "false_accusations": alarms, "clean": clean}
    recall, held = hits / planted, 1 - alarms / clean
    f1 = 2 * hits / (hits + alarms + planted)
    return {
        "method": name,
        "balanced_accuracy": round(100 * (recall + held) / 2, 1),
        "f1": round(100 * f1, 1),
        "found": hits,
        "planted": planted,
        "recall": round(100 * recall, 1),
        "precision": round(100 * hits / (hits + alarms), 1) if hits + alarms else None,
        "false_accusations": alarms,
        "clean": clean,
        "abstained": int(says.null_count()),
    }


def gain(rows: pl.DataFrame, method: str, seed: int) -> dict[str, Any]:
    """Points of balanced accuracy over the judge call, with a 95 % bootstrap interval over rows."""
    wrong = rows["wrong"].to_numpy()
    ours, theirs = (rows[m].fill_null(False).to_numpy() for m in (method, "judged"))

    def balanced(says: Any, at: Any) -> float:
        planted = wrong[at]
        return 50 * float(says[at][planted].mean() + (~says[at][~planted]).mean())

    every, rng = np.arange(len(wrong)), np.random.default_rng(seed)
    drawn = [rng.choice(every, len(every)) for _ in range(2000)]
    low, high = np.percentile([balanced(ours, at) - balanced(theirs, at) for at in drawn], [2.5, 97.5])
    points = balanced(ours, every) - balanced(theirs, every)
    return {"method": method, "points": round(points, 1), "low": round(float(low), 1), "high": round(float(high), 1)}


def report(rows: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Tables over all rows, inside c = 0, and by kind; the differences to the judge call."""
    rows = rows.with_columns(part=pl.col("row").str.extract(r"^(\w+)-"))
    parts = {"all rows": rows, "c = 0": rows.filter((pl.col("k") == 0) & (pl.col("n") > 0))}
    parts |= {f"{kind}": rows.filter(kind=kind, part="scene") for kind in ("choice", "number", "text")}
    parts["easy-VQA"] = rows.filter(part="easy")
    found: dict[str, Any] = {
        name: [score(method, part[column], part["wrong"]) for method, column in METHODS.items()]
        for name, part in parts.items()
    }
    found["over one judge call"] = [gain(rows, method, seed) for method in ("solver", "solvers")]
    return found


def main() -> None:
    """Plant, build, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=900)
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        truth = plant(given.rows, given.share, given.seed, folder)
        rows = build(folder, make(given.models, given.steps, 0)).join(truth, on="row").sort("row")
    found = report(rows, given.seed)
    with pl.Config(tbl_rows=50, tbl_cols=20, fmt_str_lengths=70, tbl_width_chars=180, tbl_hide_dataframe_shape=True):
        for name, table in found.items():
            sys.stdout.write(f"{name}\n{pl.DataFrame(table)}\n")
    found["arguments"] = {k: v for k, v in vars(given).items() if k != "models"}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"label_checks_seed_{given.seed}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
