"""How long a recipe takes to be read and compiled, every name resolved and all SQL typed.

    python -m benchmarks.compile_recipe [RECIPE …]

Without names: all recipes that come with curate. Step types are imported, and DuckDB started, before the clock
is; each figure is the least of twenty runs. The budget is 50 ms for the compilation of the largest.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline
from pipelines.job import compile_recipe
from pipelines.recipe.library import recipe_names

BUDGET_MS = 50.0
RUNS = 20


def least(run: Callable[[], Any]) -> float:
    """Milliseconds of the fastest of `RUNS` runs."""
    found = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        found.append((time.perf_counter() - started) * 1000)
    return min(found)


def recompiled(pipeline: Pipeline) -> Pipeline:
    """The same steps, compiled again."""
    return compile_steps([Entry(step.name, step.type, step.config, step.place) for step in pipeline.steps])


def main(names: list[str]) -> None:
    chosen = names or sorted(name for name in recipe_names() if "/" in name)
    sys.stdout.write(f"{'recipe':40} {'steps':>5} {'load ms':>8} {'compile ms':>10} {'of budget':>9}\n")
    for name in chosen:
        pipeline = compile_recipe(name).pipeline
        whole = least(lambda name=name: compile_recipe(name))  # type: ignore[misc]
        compiling = least(lambda pipeline=pipeline: recompiled(pipeline))  # type: ignore[misc]
        load = max(whole - compiling, 0.0)
        sys.stdout.write(
            f"{name:40} {len(pipeline.steps):5} {load:8.1f} {compiling:10.1f} {compiling / BUDGET_MS:9.2f}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
