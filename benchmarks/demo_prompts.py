"""How well the reference VLM does inside prompts of published recipes, which a demo does not change.

    python benchmarks/demo_prompts.py [--n 50] [--seed 0]

`n` rows of each of four procedural tasks (one object, level 1), answered once, greedily, in several forms of prompt and
reply. `answered` is the share of replies with a readable answer, `right` that of all replies that are right, `blind` the
same where the image is not shown; `always` is what the commonest gold of each task would earn.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from generators.kept import kept_models
from pipelines.job import compile_recipe, open_job

TASKS = ("choice", "number", "text", "yes_no")
BOX = "{{ question }}\n\nWork it out step by step, and put the final answer into \\boxed{}."
TAGS = "{{ question }}\n\nThink between <think> and </think>, and give the answer between <answer> and </answer>."
SYSTEM = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant first "
    "thinks about the reasoning process in the mind and then provides the user with the answer."
)
PLAIN, HELD = {"tags": "plain"}, {"tags": "think_answer"}
FORMS: dict[str, dict[str, Any]] = {
    "the bare question": {"prompt": "{{ question }}", "reply": PLAIN},
    "question, then a box": {"prompt": BOX, "reply": PLAIN},
    "question, then tags": {"prompt": TAGS, "reply": PLAIN},
    "question, then tags, held to them": {"prompt": TAGS, "reply": HELD},
    "system turn, then the question": {"prompt": "{{ question }}", "system": SYSTEM, "reply": PLAIN},
    "the question last": {"prompt": "Answer in one word or letter.\n\n{{ question }}", "reply": PLAIN},
}


def recipe(n: int, seed: int) -> dict[str, Any]:
    """A step that answers, and its verdicts, for each form, shown the image and blind."""
    steps: list[Any] = []
    for number, form in enumerate(FORMS.values()):
        for sees in ("media", "nothing"):
            name = f"{'seen' if sees == 'media' else 'blind'}{number}"
            tokens = 48 if form["reply"] is HELD else 16
            sampling = {"temperature": 0.0, "max_tokens": tokens, "seed": seed}
            steps.append({"distill": {"as": name, "model": "vlm", "sees": sees, "sampling": sampling, **form}})
            steps.append({"verify": {"as": f"{name}_scored", "of": name}})
    sources = [{"type": "tasks", "name": task, "task": task, "n": n, "seed": seed} for task in TASKS]
    models = {"vlm": {"model": "reference-vlm", "engine": "transformers"}}
    return {"name": "prompts", "models": models, "sources": sources, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, kept_models():
        path = Path(folder) / "prompts.yaml"
        path.write_text(yaml.safe_dump(recipe(args.n, args.seed)))
        job = open_job(compile_recipe(str(path)), Path(folder) / "out")
        job.run()
        lines = [line for number, form in enumerate(FORMS) for line in measured(job, number, form)]
    table = pl.DataFrame(lines)
    with pl.Config(tbl_rows=-1, fmt_str_lengths=60, tbl_width_chars=160, tbl_hide_column_data_types=True):
        sys.stdout.write(f"{table}\n{json.dumps(lines)}\n")


def measured(job: Any, number: int, form: str) -> list[dict[str, Any]]:
    """A line for each task."""
    golds = job.rows("sample", ("dataset", "answer")).select("sample_id", "dataset", gold="answer")
    seen, blind = (
        job.rows(f"{how}{number}", (f"{how}{number}_scored.correct", "final"))
        .rename({f"{how}{number}_scored.correct": "correct"})
        .join(golds, on="sample_id")
        for how in ("seen", "blind")
    )
    found = []
    for task in TASKS:
        mine, unseen = seen.filter(dataset=task), blind.filter(dataset=task)
        always = mine["gold"].value_counts()["count"].max()
        found.append(
            {
                "form": form,
                "task": task,
                "n": mine.height,
                "answered": share(mine["final"].is_not_null()),
                "right": share(mine["correct"].fill_null(False)),
                "blind": share(unseen["correct"].fill_null(False)),
                "always": round(always / mine.height, 2),
            }
        )
    return found


def share(flags: pl.Series) -> float:
    return round(float(flags.mean()), 2)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
