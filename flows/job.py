"""The job as commands and flows pass it; loads no Prefect."""

from pathlib import Path
from typing import Any

from pipelines.job import Job, compile_recipe, open_job


def job_of(recipe: dict[str, Any], workspace: str, **how: Any) -> Job:
    """The job of a recipe as flows pass it: `name` (or path), `set`, `limit`, `seed` and `trust`."""
    overrides = recipe.get("set") or ()
    options = {name: recipe.get(name) for name in ("limit", "seed")}
    compiled = compile_recipe(recipe["name"], overrides, trust=bool(recipe.get("trust")), **options)
    return open_job(compiled, Path(workspace), **how)
