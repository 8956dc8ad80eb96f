"""Sums with rollouts that came with them, and recipes that measure and release them, for tests of what goes out."""

import json
from pathlib import Path

from pipelines.job import Job, compile_recipe, open_job

HEAD = """\
name: out
sources:
  - {type: jsonl, name: sums, path: SUMS, kind: number, columns: {hint: str, tried: [{text: str, model: str}]}}
driver: {workers: 1}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
  - verify: {as: scored, of: rollout}
  - difficulty
"""


def write_sums(folder: Path) -> Path:
    """Twelve sums with four given rollouts each, of which n mod 5 are right, as `sums.jsonl`; gives the folder back."""
    rows = [
        {
            "question": f"What is {n} + {n}?",
            "answer": str(2 * n),
            "hint": f"twice {n}",
            "tried": [{"text": str(2 * n if place < n % 5 else 7777), "model": "student"} for place in range(4)],
        }
        for n in range(1, 13)
    ]
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def job(folder: Path, *steps: str, workspace: str = "ws", limit: int | None = None) -> Job:
    """A recipe of those sums and further `steps`, not yet built."""
    recipe = folder / "out.yaml"
    recipe.write_text(HEAD.replace("SUMS", str(folder / "sums.jsonl")) + "".join(f"  - {step}\n" for step in steps))
    return open_job(compile_recipe(str(recipe), limit=limit), folder / workspace)
