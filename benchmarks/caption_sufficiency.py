"""Can a question be answered from a caption? How often two ways to ask are wrong, on captions whose truth is known.

    python benchmarks/caption_sufficiency.py [--rows 100] [--seed 0] [--reader smollm2-135m-instruct]

Questions of the procedural task `text` about `rows` images at levels 1 and 2 with their true caption, which names every
object with its colour and shape, and about as many others with a false one, in which the object that is asked about has
another colour and another shape: nothing there answers the question. The recipe below is built by `curate build`; replies
are held to the names of colours and shapes, because the default model ignores "in one word"; two worked examples show it.

- `readers`: four readers who see only the caption answer; it is sufficient where most of their scored replies are right.
- `a judge`: one call to the same model, "can this question be answered from the description?"; sufficient is its yes.
A reply that nobody can read accepts nothing. False accepts are false captions that are called sufficient, false rejects true
ones that are not; shares with 95 % Wilson intervals.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from filters.intervals import wilson
from generators.scenes import COLOURS, SHAPES
from pipelines.explain.query import open_tables

RESULTS = Path(__file__).parent / "results"
RECIPE = """\
name: sufficiency
models: {reader: {model: READER, engine: transformers}}
sources:
  - {type: tasks, name: fits, task: text, n: ROWS, seed: SEED, levels: [1, 2], columns: {description: str}, raw: "TRUE"}
  - {type: tasks, name: misfits, task: text, n: ROWS, seed: SEED, levels: [1, 2], columns: {description: str}, raw: "FALSE"}
steps:
  - rollout:
      as: readers
      model: reader
      sees: nothing
      n: 4
      prompt: "An image shows: {{ description }}\\n\\n{{ question }} Answer in one word."
      shots:
        - {description: "1 shape: a small white star at the left.", question: "What color is the star?", reply: white}
        - {description: "1 shape: a large white cross at the top.", question: "What is the white shape?", reply: cross}
      reply: {choice: WORDS}
      constrain: true
      sampling: {temperature: 0.3, max_tokens: 8, seed: 0}
  - verify: {of: readers}
  - tally: {as: read, of: readers, to: sample, gives: {reached: count(*) FILTER (correct), scored: count(correct)}}
  - sql: {as: sufficiency, of: sample, gives: {sufficient: 2 * reached > scored}}
  - label:
      as: judged
      model: reader
      sees: nothing
      prompt: "An image shows: {{ description }}\\n\\nCan this be answered from that? {{ question }}\\nReply with yes or no."
      reply: {choice: ["yes", "no"]}
      unreadable: keep
      sampling: {temperature: 0.0, max_tokens: 4}
"""
RAW = "SELECT id AS row, question, answer, kind, image, {} AS description FROM task"
METHODS = {"readers": "sufficient", "a judge": "judged = 'yes'"}
Z95 = 1.959963984540054


def build(rows: int, seed: int, reader: str, folder: Path) -> pl.DataFrame:
    """The real command; `fits` and what each way says of each caption."""
    recipe = RECIPE.replace("ROWS", str(rows)).replace("SEED", str(seed)).replace("READER", reader)
    recipe = recipe.replace("WORDS", json.dumps([*COLOURS, "white", *SHAPES]))
    recipe = recipe.replace('"TRUE"', f'"{RAW.format("caption")}"').replace(
        '"FALSE"', f'"{RAW.format("false_caption")}"'
    )
    (folder / "sufficiency.yaml").write_text(recipe)
    command = [str(Path(sys.executable).with_name("curate")), "build", "sufficiency.yaml", "-w", "out"]
    subprocess.run(command, check=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    says = ", ".join(f'coalesce({column}, false) AS "{name}"' for name, column in METHODS.items())
    with open_tables(folder / "out", "sufficiency") as db:
        return db.sql(f"SELECT source.dataset = 'fits' AS fits, {says} FROM samples").pl()


def errors(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """False accepts and rejects of each way (`fits`, and a column a way), as counts and shares with their intervals."""
    found = []
    for method in METHODS:
        wrong = pl.col("fits") != pl.col(method)
        counted = rows.group_by("fits").agg(k=wrong.sum(), n=pl.len())
        low, high = wilson(Z95)
        for fits, k, n, *ends in counted.sort("fits").with_columns(low=low, high=high).iter_rows():
            error = "false rejects" if fits else "false accepts"
            shares = dict(
                zip(("share", "low", "high"), (round(100 * share, 1) for share in (k / n, *ends)), strict=True)
            )
            found.append({"method": method, "error": error, "count": k, "of": n, **shares})
    return found


def main() -> None:
    """Build, compare with the truth, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="smollm2-135m-instruct")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = errors(build(given.rows, given.seed, given.reader, Path(scratch)))
    sys.stdout.write("\n".join(map(str, found)) + "\n")
    RESULTS.mkdir(exist_ok=True)
    kept = {"arguments": vars(given), "errors": found}
    (RESULTS / "caption_sufficiency.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
