"""Builds of a few sums in a process whose files may not grow: what each says, and whether the next one,
without its limit, comes to what an undisturbed one does.

    python limited_build.py FOLDER '[["FSIZE", 4000], ["FSIZE", 15000]]'

It is a program of its own, because a limit holds for all of a process.
"""

import json
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from recipe_build import sums, write_recipe
from scripted_engine import MODEL, Scripted, question_of
from tiny import digests

from pipelines.job import Job, compile_recipe, open_job
from schemas.completion import Request
from schemas.errors import CurateError

STEPS: list[Any] = [
    {"rollout": {"model": "m", "n": 2, "sampling": {"temperature": 1.0, "max_tokens": 8}}},
    {"verify": {"of": "rollout"}},
    "difficulty",
    "dedup",
    {"split": {"sft": 0.5, "rl": 0.5}},
    {"release": {"rl": {"of": "sample"}, "sft": {"of": "sample"}, "allow_empty": ["rl", "sft"]}},
]


def says(request: Request, index: int) -> str:
    return f"\\boxed{{{len(question_of(request)) + index}}}"


def released(job: Job) -> dict[str, str]:
    """The files of what a build releases."""
    job.run()
    assert job.release is not None
    return digests(job.release)


def limited(job: Job, kind: str, value: int) -> str | None:
    """What a build says under a limit of the process; None where it ends as it should."""
    limit = getattr(resource, f"RLIMIT_{kind}")
    before = resource.getrlimit(limit)
    try:
        resource.setrlimit(limit, (value, before[1]))
        try:
            job.run()
        finally:
            resource.setrlimit(limit, before)
    except CurateError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return None


def main(folder: Path, cases: list[tuple[str, int]]) -> None:
    Scripted(says).install(pytest.MonkeyPatch())
    models = {"m": {"model": MODEL.model, "engine": "transformers"}}
    recipe = str(write_recipe(folder, STEPS, sums(60), models=models, driver={"workers": 1}))
    whole = released(open_job(compile_recipe(recipe), folder / "whole"))
    for kind, value in cases:
        workspace = folder / f"{kind}-{value}"
        said = limited(open_job(compile_recipe(recipe), workspace), kind, value)
        same = released(open_job(compile_recipe(recipe), workspace)) == whole
        print(json.dumps({"case": [kind, value], "said": said, "same": same}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
